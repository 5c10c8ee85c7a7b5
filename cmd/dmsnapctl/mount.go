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
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

const mountHelp = `   Shows the snapshot's content as the read-only file DIR/image, by FUSE, without
   device mapper. It ends with 'umount DIR', with an interrupt, or with COMMAND,
   which finds the file's path in DMSNAPCTL_IMAGE.

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
	origin, err := blockdev.Open(c.String("origin"))
	if err != nil {
		return fmt.Errorf("the origin: %w", adviseOpening(err, "the origin's device or file"))
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
	im, _, err := image.Open(c.Context, image.Source{
		Store: file.from, StoreSize: file.file.Size(), Origin: origin, OriginSize: origin.Size(),
	}, image.Options{BestEffort: c.Bool("best-effort")})
	if err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	failed := func(err error) { o.warnf("mount %s: a reader got an error: %w", path, err) }
	if c.NArg() == 2 {
		ready := func() {
			_, _ = fmt.Fprintf(o.out, "%s\n", output.Name(filepath.Join(dir, image.MountedName)))
		}
		if err := im.Mount(c.Context, dir, ready, failed); err != nil {
			return fmt.Errorf("mount %s: %w", path, err)
		}
		return c.Context.Err()
	}
	return mountFor(c, o, im, dir, failed)
}

// mountFor shows the image as long as a command runs.
func mountFor(c *cli.Context, o *console, im *image.Image, dir string, failed func(error)) error {
	ctx, end := context.WithCancel(c.Context)
	defer end()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- im.Mount(ctx, dir, func() { close(ready) }, failed) }()
	select {
	case <-ready:
	case err := <-ended:
		return fmt.Errorf("mount: %w", err)
	}
	args := c.Args().Slice()[2:]
	cmd := exec.CommandContext(c.Context, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = workloadGrace
	cmd.Env = append(os.Environ(), "DMSNAPCTL_IMAGE="+filepath.Join(dir, image.MountedName))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, output.Raw(o.out), ownFile(o.err)
	errRun := cmd.Run()
	end()
	errEnd := <-ended
	var exit *exec.ExitError
	switch {
	case c.Context.Err() != nil:
		return errors.Join(c.Context.Err(), errEnd)
	case errEnd != nil:
		return errEnd
	case errors.As(errRun, &exit) && exit.ExitCode() >= 0:
		return exitStatus(exit.ExitCode())
	default:
		return errRun
	}
}
