// The command restore: a dump written to a store.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

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
	o := outputOf(c)
	dump, path := c.Args().Get(0), storeArg(c, 1)
	lines, err := os.Open(dump)
	if err != nil {
		return fmt.Errorf("the dump: %w", err)
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	created, err := makeStore(c, path)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if created && !done {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	dev, f, err := openTarget(c, path, "the store")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := carriesNothingElse(f); err != nil {
		return err
	}
	var opt mend.RestoreOptions
	if c.IsSet("data") {
		data, err := o.openInput(c.String("data"))
		if err != nil {
			return fmt.Errorf("the data: %w", adviseOpening(err, "the old store"))
		}
		defer func() { err = errors.Join(err, data.Close()) }()
		if same, err := f.Same(data); err != nil || same {
			return errors.Join(err, usagef("restore: %s would be both written and read; leave --data out if it holds the chunks", path))
		}
		opt.Data = target{data}
	}
	p, err := mend.Restore(c.Context, lines, dev, opt)
	if err != nil {
		return fmt.Errorf("restore %s: %w", path, err)
	}
	undo, err := undoOf(c, o, p, dev, path, dump, c.String("data"))
	if err != nil {
		return err
	}
	m := runOf(c, o, path, p, undo)
	m.work = func(progress func(mend.Progress)) error {
		err := p.Run(c.Context, progress)
		done = err == nil
		return err
	}
	return m.run()
}

// makeStore makes a new file if --size asks for one.
func makeStore(c *cli.Context, path string) (created bool, err error) {
	size, given, err := sizeFlag(c, "size")
	switch {
	case err != nil || !given:
		return false, err
	case !c.IsSet("data"):
		return false, usagef("restore: --size makes a new file, which holds no chunks; name the old store with --data")
	case c.IsSet("undo"):
		return false, usagef("restore: --size makes a new file; remove %s to undo it, and leave --undo out", path)
	case size == 0 || size > 1<<62:
		return false, usagef("restore: --size %d is not a possible file size", size)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, usagef("restore: %s exists already; --size makes a new file", path)
	}
	if err != nil {
		return false, err
	}
	return true, errors.Join(f.Truncate(int64(size)), f.Close())
}

// carriesNothingElse refuses a device that contains anything but a store.
func carriesNothingElse(f *blockdev.File) error {
	found, err := blockdev.Probe(f, f.Size())
	if err != nil {
		return err
	}
	for _, s := range found {
		if s.Type == "DM_snapshot_cow" {
			return nil // data of a store can look like anything
		}
	}
	for _, s := range found {
		return fmt.Errorf("restore: %s contains %s: clear it first if it is not needed", f.Path(), s.Type)
	}
	return nil
}
