// What the commands that change a store share: exclusive opening, undo files,
// confirmation, and running a plan.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// mendCommand is a command that plans a change of its first argument.
func mendCommand(name, usage, args, help string, action cli.ActionFunc, more ...cli.Flag) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: args, Category: categoryTools, Description: help,
		Flags: planFlags(append(more,
			&cli.StringFlag{Name: "undo", Usage: "first save what undoes the change to `FILE`"})...),
		Action: withArgs(args, byName(action)),
	}
}

// target is a device or file to change.
type target struct {
	*blockdev.File
}

// plainTarget is a plain file, which can grow.
type plainTarget struct{ target }

func (t plainTarget) Grow(bytes int64) error { return t.GrowTo(bytes) }

// openTarget opens a device or file to change, which must not be in use. A dry
// run opens it for reading.
func openTarget(c *cli.Context, path, what string) (blockdev.Device, *blockdev.File, error) {
	open := blockdev.OpenWriter
	if c.Bool("dry-run") {
		open = blockdev.Open
	}
	if err := outputOf(c).checkInput(path); err != nil {
		return nil, nil, err
	}
	f, err := open(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) && !c.Bool("dry-run") {
			return nil, nil, fmt.Errorf("%s: %s: %w; run as root, or as a user who may write to it", outputOf(c).command, what, err)
		}
		return nil, nil, fmt.Errorf("%s: %s: %w", outputOf(c).command, what, adviseOpening(err, "a device or file"))
	}
	by, err := usersOf(f)
	if err == nil && by != "" {
		err = fmt.Errorf("%s %s is in use (%s) and is not changed", what, path, by)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	if f.IsBlockDevice() {
		if err := forget(f); err != nil {
			return nil, nil, fmt.Errorf("%s %s: %w", what, path, errors.Join(err, f.Close()))
		}
		return target{f}, f, nil
	}
	return plainTarget{target{f}}, f, nil
}

// forget drops the page cache of a device: after a write that failed it can have
// what the device has not, and a plan made of that would find the work done. Only
// root may drop it; for others, the cache has to do.
func forget(f *blockdev.File) error {
	err := f.DropCache()
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// mendRun is one run of a plan.
type mendRun struct {
	c    *cli.Context
	o    *console
	path string
	plan *mend.Plan
	undo func() error                             // writes the undo file; nil for none
	work func(progress func(mend.Progress)) error // does the work; nil if there is none
}

// runOf is a run of a plan that changes devices.
func runOf(c *cli.Context, o *console, path string, plan *mend.Plan, undo func() error) mendRun {
	m := mendRun{c: c, o: o, path: path, plan: plan, undo: undo}
	if len(plan.Stages) > 0 {
		m.work = func(progress func(mend.Progress)) error { return plan.Run(c.Context, progress) }
	}
	return m
}

// run shows the plan, or asks, writes the undo file, and runs the plan.
func (m mendRun) run() error {
	dry := m.c.Bool("dry-run")
	if !dry && m.work != nil {
		if !m.c.Bool("yes") {
			if err := confirmText(m.c, m.o, stepsText(m.plan.Title, m.plan.Steps(), m.plan.Notes)); err != nil {
				return err
			}
		}
		if m.undo != nil {
			if err := m.undo(); err != nil {
				return fmt.Errorf("%s %s: nothing was changed: the undo file: %w", m.o.command, m.path, err)
			}
		}
		shown := startCopyProgress(m.o)
		err := m.work(func(p mend.Progress) { shown.update(p.Done, p.Total) })
		shown.stop()
		if err != nil {
			return fmt.Errorf("%s %s: %w", m.o.command, m.path, err)
		}
	}
	err := m.print(dry)
	if dry || m.work == nil {
		return err
	}
	return showing(fmt.Sprintf("%s %s: done", m.o.command, m.path), err)
}

func (m mendRun) print(dry bool) error {
	if m.o.json {
		return m.o.printJSON(planJSON{
			Schema: schemaOf(m.o.command), Name: m.path, DryRun: dry,
			Steps: m.plan.Steps(), Notes: append([]string{}, m.plan.Notes...),
		})
	}
	if dry {
		_, err := fmt.Fprint(m.o.out, stepsText(m.plan.Title, m.plan.Steps(), m.plan.Notes))
		return err
	}
	for _, note := range m.plan.Notes {
		m.o.warnf("note: %s", note)
	}
	ended := "done"
	if m.work == nil {
		ended = "there was nothing to do"
	}
	_, err := fmt.Fprintf(m.o.out, "%s: %s\n", output.Name(m.plan.Title), ended)
	return err
}

// dumpCheck reports whether an existing dump undoes a change of a store.
type dumpCheck func(ctx context.Context, dump io.ReadSeeker, dev blockdev.Device) error

// planOn makes a plan for a device.
type planOn func(dev blockdev.Device) (*mend.Plan, error)

// undoByDump writes a dump of the store to name, for 'restore'. An existing one,
// of an interrupted run, is checked and kept. The inputs are what the run reads.
func undoByDump(c *cli.Context, o *console, dev blockdev.Device, name string, check dumpCheck, inputs ...string) (func() error, error) {
	if name == "" {
		return nil, nil
	}
	if err := notAnInput(o, name, inputs...); err != nil {
		return nil, err
	}
	there, err := undoIsThere(o, name)
	if err != nil {
		return nil, err
	}
	if there {
		return func() (err error) {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			if err := check(c.Context, f, dev); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			o.warnf("%s is kept: it undoes the previous run", name)
			return nil
		}, nil
	}
	to, err := output.To(name, output.Options{Reads: inputs, Private: true, New: true})
	if err != nil {
		return nil, err
	}
	return func() error {
		return to.Write(func(w io.Writer) error { return mend.Undumped(mend.Dump(c.Context, dev, dev.Size(), w)) })
	}, nil
}

// undoOf is undoByDump or, if a dump does not undo the plan, writes a store of
// the device, for 'apply'.
func undoOf(c *cli.Context, o *console, p *mend.Plan, again planOn, dev blockdev.Device, path string, inputs ...string) (func() error, error) {
	name := c.String("undo")
	inputs = append(inputs, path)
	byDump, err := undoByDump(c, o, dev, name, func(ctx context.Context, dump io.ReadSeeker, dev blockdev.Device) error {
		return checkUndo(ctx, o, p, again, name, dump, dev)
	}, inputs...)
	if err != nil || byDump == nil || !p.Beyond {
		return byDump, err
	}
	if there, err := undoIsThere(o, name); err != nil || there {
		return byDump, err
	}
	to, err := output.To(name, output.Options{Reads: inputs, Private: true, New: true})
	if err != nil {
		return nil, err
	}
	return func() error {
		shown := startCopyProgress(o)
		err := saveUndo(c.Context, to, p, dev, shown)
		shown.stop()
		if err == nil {
			o.warnf("%s undoes this by: %s", name, advise("", "apply", argument(name), "--to", path).Command)
		}
		return err
	}, nil
}

// saveUndo writes the store that undoes the plan.
func saveUndo(ctx context.Context, to *output.Destination, p *mend.Plan, dev blockdev.Device, shown *copyProgress) error {
	return to.WriteImage(0, func(f *os.File) error {
		return mend.WriteUndo(ctx, p, dev, f, func(p mend.Progress) { shown.update(p.Done, p.Total) })
	})
}

// checkUndo checks that an existing file, a dump or a store, undoes the plan.
// What a store undoes is planned again.
func checkUndo(ctx context.Context, o *console, p *mend.Plan, again planOn, name string, dump io.ReadSeeker, dev blockdev.Device) (err error) {
	f, err := o.openInput(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := store.Open(f, f.Size()); err != nil {
		return mend.CheckDump(ctx, dump, dev, p)
	}
	return mend.CheckUndo(ctx, again, dev, f, f.Size())
}

// notAnInput refuses an undo file that is an input of the run under any name.
func notAnInput(o *console, name string, inputs ...string) error {
	for _, input := range inputs {
		if same, err := sameFile(name, input); err == nil && same {
			return usagef("%s: --undo %s is the same file as %s; name another file", o.command, name, input)
		}
	}
	return nil
}

// undoIsThere reports whether the undo file of an interrupted run may be there.
// It refuses a place that can never hold one: a link, a device, a directory.
func undoIsThere(o *console, name string) (bool, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err == nil && !info.Mode().IsRegular():
		return false, usagef("%s: --undo %s is not a regular file; name another file", o.command, name)
	}
	return true, nil
}

// mended opens a store, makes a plan, and runs it.
func mended(c *cli.Context, plan func(dev blockdev.Device, originBytes int64) (*mend.Plan, error)) (err error) {
	o := outputOf(c)
	path := storeArg(c, 0)
	origin := int64(0)
	if hasFlag(c, "origin-size") {
		if origin, err = originBytesOf(c); err != nil {
			return err
		}
	}
	dev, f, err := openTarget(c, path, "the store")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	again := func(dev blockdev.Device) (*mend.Plan, error) { return plan(dev, origin) }
	p, err := again(dev)
	if err != nil {
		return fmt.Errorf("%s %s: %w", o.command, path, leaving(err, "nothing was changed"))
	}
	undo, err := undoOf(c, o, p, again, dev, path)
	if err != nil {
		return err
	}
	return runOf(c, o, path, p, undo).run()
}

func sameFile(a, b string) (bool, error) {
	infoA, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	infoB, err := os.Stat(b)
	return err == nil && os.SameFile(infoA, infoB), err
}
