// The command restore: a dump written to a store.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

const restoreHelp = `   Writes the metadata of a dump to a device or file. Without --data, that must be
   the device the dump was made from, since it holds the chunks. With --data, the
   chunks are copied, and the device may have another size. --size makes a new
   file.

EXAMPLES:
   dmsnapctl restore cow.undo cow.img --yes
   dmsnapctl restore cow.dump larger.img --data cow.img --size 4G --yes`

func restoreCommand() *cli.Command {
	return mendCommand("restore", "write a dump's metadata to a store", "DUMP STORE", restoreHelp, runRestore,
		&cli.StringFlag{Name: "data", Usage: "the `STORE` that holds the chunks"},
		&cli.StringFlag{Name: "size", Usage: "make STORE a new file of `SIZE`"},
	)
}

func runRestore(c *cli.Context) (err error) {
	dump, path := c.Args().Get(0), storeArg(c, 1)
	size, anew, err := newSize(c, path)
	if err != nil {
		return err
	}
	if same, err := sameFile(dump, path); err == nil && same {
		return usagef("restore: %s and %s are the same file: the dump would be overwritten while it is read", dump, path)
	}
	lines, err := openDump(dump)
	if err != nil {
		return fmt.Errorf("restore: the dump: %w", err)
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	var opt mend.RestoreOptions
	if c.IsSet("data") {
		data, errData := outputOf(c).openInput(c.String("data"))
		if errData != nil {
			return fmt.Errorf("restore: the data: %w", adviseOpening(errData, "the old store"))
		}
		defer func() { err = errors.Join(err, data.Close()) }()
		opt.Data = target{data}
	}
	if anew {
		return restoreAnew(c, lines, path, size, opt.Data)
	}
	dev, f, err := openTarget(c, path, "the store")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := carriesNothingElse(f); err != nil {
		return err
	}
	return restoreOver(c, lines, path, dev, opt)
}

// openDump opens a dump. The open of a pipe could wait forever.
func openDump(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return nil, fmt.Errorf("%s is a pipe, but it is read twice; write it to a file first", path)
	}
	return os.Open(path)
}

// restoreOver restores onto the device or file at path.
func restoreOver(c *cli.Context, lines *os.File, path string, dev blockdev.Device, opt mend.RestoreOptions) error {
	o := outputOf(c)
	again := func(dev blockdev.Device) (*mend.Plan, error) { return mend.Restore(c.Context, lines, dev, opt) }
	p, err := again(dev)
	switch {
	case errors.Is(err, mend.ErrOneDevice):
		return usagef("restore: %s would be both written and read; leave --data out if it holds the chunks", path)
	case err != nil:
		return notRestored(err, lines.Name(), path, "nothing was changed")
	}
	undo, err := undoOf(c, o, p, again, dev, path, lines.Name(), c.String("data"))
	if err != nil {
		return err
	}
	return runOf(c, o, path, p, undo).run()
}

// notRestored names the file that err is about.
func notRestored(err error, dump, store, left string) error {
	if errors.Is(err, mend.ErrNotDump) {
		return fmt.Errorf("restore: %s: %w", dump, err)
	}
	return fmt.Errorf("restore %s: %w", store, leaving(err, left))
}

// restoreAnew restores into a new file of size bytes, which is at path when it
// is complete.
func restoreAnew(c *cli.Context, lines *os.File, path string, size int64, data blockdev.Device) error {
	to, err := output.To(path, output.Options{Reads: []string{lines.Name(), c.String("data")}, Private: true, New: true})
	if err != nil {
		return err
	}
	anew, err := mend.PlanRestoration(c.Context, lines, data, size)
	if err != nil {
		return notRestored(err, lines.Name(), path, "no file was made")
	}
	m := runOf(c, outputOf(c), path, anew.Plan(), nil)
	m.work = func(progress func(mend.Progress)) error {
		return to.WriteImage(size, func(f *os.File) error { return anew.Write(c.Context, f, progress) })
	}
	return m.run()
}

// newSize is the size in bytes of the new file that --size asks for.
func newSize(c *cli.Context, path string) (size int64, given bool, err error) {
	bytes, given, err := sizeFlag(c, "size")
	switch {
	case err != nil || !given:
		return 0, false, err
	case !c.IsSet("data"):
		return 0, false, usagef("restore: --size makes a new file, which holds no chunks; name the old store with --data")
	case c.IsSet("undo"):
		return 0, false, usagef("restore: --size makes a new file; remove %s to undo it, and leave --undo out", path)
	case bytes == 0 || bytes > 1<<62:
		return 0, false, usagef("restore: --size %d is not a possible file size", bytes)
	}
	return int64(bytes), true, nil
}

// carriesNothingElse refuses a device that contains anything but a store.
func carriesNothingElse(f *blockdev.File) error {
	found, err := blockdev.Probe(f, f.Size())
	if err != nil {
		return err
	}
	for _, s := range found {
		if s.Type == blockdev.SnapshotStore {
			return nil // data of a store can look like anything
		}
	}
	for _, s := range found {
		return fmt.Errorf("restore: %s contains %s: clear it first if it is not needed", f.Path(), s.Type)
	}
	return nil
}
