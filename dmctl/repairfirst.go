package dmctl

// Repairing a store before it is activated. Package mend knows what to write;
// here the repair becomes a step of the plan, on the claimed COW device.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

// planRepair plans the repair of the store on a claimed COW device, and judges
// the store as it will be afterwards. It returns no steps if nothing needs
// repair. If the store cannot be repaired, the error wraps ErrRefused.
func planRepair(ctx context.Context, d host.Disk, originBytes int64) (steps []plan.Step, report *verify.Report, err error) {
	err = onStore(d, func(dev blockdev.Device) error {
		p, err := mend.Repair(ctx, dev, mend.RepairOptions{OriginBytes: originBytes})
		if err != nil {
			return devices.Also(ErrRefused, "repair %s: %w", d.Path(), err)
		}
		if len(p.Stages) > 0 {
			steps = append(steps, repairStep(d, originBytes, p))
		}
		after, err := p.Rehearsed(ctx, dev)
		if err != nil {
			return err
		}
		report, err = verify.Verify(ctx, after, after.Size(), verify.Options{OriginBytes: originBytes})
		return err
	})
	return steps, report, err
}

// repairStep makes its repair plan again when its turn comes. The store is
// still the same, since the device stays claimed, and nothing has to stay open
// until then.
func repairStep(d host.Disk, originBytes int64, shown *mend.Plan) plan.Step {
	return plan.Rewrite{
		What: fmt.Sprintf("repair the store on %s (%v): %s", d.Path(), d.Dev(), strings.Join(shown.Steps(), "; ")),
		Left: fmt.Sprintf("the store on %s is repaired", d.Path()),
		Run: func() error {
			ctx := context.Background() // a plan ends between its steps, not within one
			w, err := d.Writer()
			if err != nil {
				return err
			}
			err = onStore(d, func(dev blockdev.Device) error {
				p, err := mend.Repair(ctx, written{dev, w}, mend.RepairOptions{OriginBytes: originBytes})
				if err != nil {
					return err
				}
				return p.Run(ctx, nil)
			})
			return errors.Join(err, w.Close())
		},
	}
}

// onStore reads a store past the page cache.
func onStore(d host.Disk, use func(blockdev.Device) error) error {
	content, err := d.Content()
	if err != nil {
		return err
	}
	return errors.Join(use(unwritten{content}), content.Close())
}

// unwritten is a store whose writes are only planned.
type unwritten struct{ host.Content }

func (unwritten) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (unwritten) Flush() error                       { return errors.ErrUnsupported }

// written is a store with separate paths for reading and writing.
type written struct {
	blockdev.Device
	to host.Writer
}

func (w written) WriteAt(p []byte, off int64) (int, error) { return w.to.WriteAt(p, off) }
func (w written) Flush() error                             { return w.to.Flush() }
