// The command mount: a snapshot's image as a file, without device mapper.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

const mountHelp = `   Shows the snapshot's content as the read-only file DIR/image, by FUSE, without
   device mapper. It ends with 'umount DIR', with a signal (130), or with COMMAND,
   which finds the file's path in DMSNAPCTL_IMAGE. With --json, COMMAND's own
   output goes to stderr. If parts of the image are uncertain (--best-effort), 0
   becomes 1.

EXAMPLES:
   dmsnapctl mount cow.img --origin disk.img /mnt/snapshot
   dmsnapctl mount cow.img --origin disk.img /mnt/snapshot -- \
      e2fsck -fn /mnt/snapshot/image`

func mountCommand() *cli.Command {
	return &cli.Command{
		Name: "mount", Usage: "show a snapshot's image as a file, by FUSE", ArgsUsage: "STORE DIR [-- COMMAND ...]", Category: categoryTools, Description: mountHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "origin", Usage: "the origin's `DEVICE` or file"},
			&cli.BoolFlag{Name: "best-effort", Usage: "show what is left of an invalidated or damaged store"},
		},
		Action: withArgs("STORE DIR [COMMAND...]", byName(runMount)),
	}
}

func runMount(c *cli.Context) (err error) {
	o := outputOf(c)
	if err := needFlags(c, "origin"); err != nil {
		return err
	}
	path, dir := storeArg(c, 0), c.Args().Get(1)
	full, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	origin, err := o.openInput(c.String("origin"))
	if err != nil {
		return fmt.Errorf("mount: the origin: %w", adviseOpening(err, "the origin's device or file"))
	}
	defer func() { err = errors.Join(err, origin.Close()) }()
	file, err := openStoreFile(c.Context, o, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	if file.active != nil {
		return fmt.Errorf("mount %s: in use by %s; use that device", path, file.active.by)
	}
	im, report, err := file.image(c.Context, o, origin, c.Bool("best-effort"))
	if err != nil {
		return fmt.Errorf("mount %s: %w", path, leaving(err, "nothing was mounted"))
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	known, err := certaintyOf(im, report, file.guessed)
	if err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	known.warn(o, path)
	m := mounting{c: c, o: o, im: im, dir: dir, file: filepath.Join(full, image.MountedName), said: mountJSON{
		Schema: schemaOf(o.command), Path: path, Image: filepath.Join(dir, image.MountedName),
		Bytes: im.Size(), Uncertain: known.uncertain.bytes, Verdict: report.Verdict,
		Header: known.header(), HeaderChunk: known.guessed,
	}}
	if c.NArg() == 2 {
		err = m.untilEnded()
	} else {
		err = m.during(c.Args().Slice()[2:])
	}
	if err == nil {
		err = known.code()
	}
	return err
}

// mountJSON is the result as JSON: as soon as the image can be read or, if a
// command is run, after it.
type mountJSON struct {
	Schema      string         `json:"schema"`
	Path        string         `json:"path"`
	Image       string         `json:"image"`
	Bytes       int64          `json:"bytes"`
	Uncertain   int64          `json:"uncertain_bytes"`
	Verdict     verify.Verdict `json:"verdict"`
	Header      string         `json:"header,omitempty"`               // "guessed" if the store lost its own
	HeaderChunk cow.Sectors    `json:"header_chunk_sectors,omitempty"` // as the areas show it
	CommandExit *int           `json:"command_exit,omitempty"`
}

// mounting is one run.
type mounting struct {
	c    *cli.Context
	o    *console
	im   *image.Image
	dir  string
	file string // the image's absolute path: COMMAND may change its directory
	said mountJSON
}

// show shows the image until somebody unmounts it or ctx ends.
func (m *mounting) show(ctx context.Context, ready func()) error {
	return m.im.Mount(ctx, m.dir, ready, func(err error) {
		m.o.warnf("mount %s: a reader got an error: %w", m.said.Path, err)
	})
}

// untilEnded shows the image until somebody unmounts it or a signal comes.
func (m *mounting) untilEnded() error {
	ctx, end := context.WithCancel(m.c.Context)
	defer end()
	var failed error
	err := m.show(ctx, func() {
		if failed = m.print(); failed != nil { // nobody knows that it is there
			end()
		}
	})
	if err != nil {
		return fmt.Errorf("mount %s: %w", m.said.Path, err)
	}
	if err := m.interrupted(); failed == nil && err != nil {
		m.o.warnf("%w", err)
		return exitStatus(exitInterrupted) // the result is printed
	}
	return failed
}

func (m *mounting) print() error {
	if m.o.json {
		return m.o.printJSON(m.said)
	}
	_, err := fmt.Fprintf(m.o.out, "%s\n", output.Name(m.said.Image))
	return err
}

// interrupted says which signal ended the run, after the unmounting.
func (m *mounting) interrupted() error {
	if m.c.Context.Err() == nil {
		return nil
	}
	return fmt.Errorf("mount %s: ended, and %s is unmounted: %w", m.said.Path, m.dir, context.Cause(m.c.Context))
}

// during shows the image while a command runs.
func (m *mounting) during(args []string) error {
	ctx, end := context.WithCancel(m.c.Context)
	defer end()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- m.show(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		return errors.Join(err, m.interrupted())
	}
	cmd := m.command(args)
	errRun := cmd.Run()
	end()
	errEnd := <-ended
	if err := m.interrupted(); err != nil || errEnd != nil {
		return errors.Join(errEnd, err)
	}
	exit, failed := errors.AsType[*exec.ExitError](errRun)
	if errRun != nil && (!failed || exit.ExitCode() < 0) { // it never ran, or a signal ended it
		return fmt.Errorf("mount %s: %s: %w", m.said.Path, output.Name(args[0]), errRun)
	}
	status := cmd.ProcessState.ExitCode()
	if m.o.json {
		m.said.CommandExit = &status
		if err := m.print(); err != nil {
			return err
		}
	}
	if status != 0 {
		return exitStatus(status)
	}
	return nil
}

// command is COMMAND, which finds the image's path in its environment.
func (m *mounting) command(args []string) *exec.Cmd {
	cmd := exec.CommandContext(m.c.Context, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = workloadGrace
	cmd.Env = append(os.Environ(), "DMSNAPCTL_IMAGE="+m.file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = m.c.App.Reader, output.Raw(m.o.out), ownFile(m.o.err)
	if m.o.json {
		cmd.Stdout = cmd.Stderr // stdout is for the one object
	}
	return cmd
}
