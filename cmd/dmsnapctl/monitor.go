// The command monitor: events of snapshots.

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/sdnotify"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/monitor"
)

const monitorHelp = `   Prints a line for each event until it is interrupted: a snapshot appears or
   disappears, its state changes, or its store reaches the threshold. An invalid
   snapshot is noticed at once, everything else within a second. The threshold is
   reported again only after the store was 5 percent below it.

   --exec runs a shell command for each event, one at a time, with
   DMSNAPCTL_EVENT, _NAME, _STATE, _WAS, _MESSAGE, _ORIGIN, _COW, _USED_PERCENT,
   _ALLOCATED_SECTORS, _TOTAL_SECTORS and _FULL_IN_SECONDS in its environment.
   After a minute it is killed, with all its children. Values that the kernel does
   not report in a snapshot's state are empty, and missing from the metrics of
   --textfile.

   With --grow-at and --grow-by, the monitor grows the store of a snapshot of ours
   before it is full, if the store is a file under a loop device. Each time it
   grows by SIZE or, given as 10%, by that part of its size, but never beyond what
   it can use. Room on the file's file system is not reserved.

   A failing command, a store that cannot be grown or a full file system causes a
   warning and is counted in the metrics; the monitor continues. SIGTERM ends it
   with exit code 0, SIGINT and SIGHUP with 130.

EXAMPLES:
   dmsnapctl monitor --threshold 80
   dmsnapctl monitor snap --exec 'logger -t snapshot "$DMSNAPCTL_MESSAGE"'
   dmsnapctl monitor --grow-at 80 --grow-by 1G
   dmsnapctl monitor --json --textfile /var/lib/node_exporter/dmsnapctl.prom`

func monitorCommand() *cli.Command {
	return &cli.Command{
		Name:        "monitor",
		Usage:       "report events of snapshots",
		ArgsUsage:   "[NAME]",
		Category:    categoryControl,
		Description: monitorHelp,
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "threshold", Value: 80, Usage: "report when a store is `PERCENT` full"},
			&cli.StringFlag{Name: "exec", Usage: "run the shell command `CMD` for each event"},
			&cli.StringFlag{Name: "textfile", Usage: "keep metrics for Prometheus in `FILE`, replacing it in one step"},
			&cli.Float64Flag{Name: "grow-at", Usage: "grow a store's file when it is `PERCENT` full", DefaultText: "never"},
			&cli.StringFlag{Name: "grow-by", Usage: "grow it by `SIZE`, or by a percentage such as 10%"},
			&cli.DurationFlag{Name: "interval", Value: time.Second, Usage: "poll every `DURATION`, at most a second"},
		},
		Action: withArgs("[NAME]", runMonitor),
	}
}

// eventJSON is an event for machines, one object per line.
type eventJSON struct {
	Schema        string       `json:"schema"`
	Time          time.Time    `json:"time"`
	Event         string       `json:"event"`
	Was           string       `json:"was,omitempty"`
	Message       string       `json:"message"`
	FullInSeconds *int64       `json:"full_in_seconds"`
	Snapshot      snapshotJSON `json:"snapshot"`
}

func runMonitor(c *cli.Context) error {
	threshold, err := percentFlag(c, "threshold")
	if err != nil {
		return err
	}
	options := monitor.Options{Name: c.Args().First(), Threshold: threshold, Interval: c.Duration("interval")}
	if options.Interval <= 0 {
		return usagef("monitor: --interval %v: want more than 0", options.Interval)
	}
	if options.Growth, err = growthFlags(c); err != nil {
		return err
	}
	return withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
		return runMonitorOn(c, o, ctl, options)
	})(c)
}

// growthFlags reads --grow-at and --grow-by, which go together.
func growthFlags(c *cli.Context) (g monitor.Growth, err error) {
	by := c.String("grow-by")
	if c.IsSet("grow-at") != (by != "") {
		return g, usagef("monitor: --grow-at and --grow-by go together")
	}
	if by == "" {
		return g, nil
	}
	if g.At, err = percentFlag(c, "grow-at"); err != nil {
		return g, err
	}
	if g.At == 0 {
		return g, usagef("monitor: --grow-at 0: want more than 0")
	}
	if text, is := strings.CutSuffix(by, "%"); is {
		g.Percent, err = strconv.ParseFloat(text, 64)
		if err != nil || !(g.Percent > 0 && g.Percent <= maxGrowth) {
			return g, usagef("monitor: --grow-by %s: want a percentage above 0 and up to %d", by, maxGrowth)
		}
		return g, nil
	}
	g.Bytes, err = growBy(c, "grow-by")
	return g, err
}

// maxGrowth bounds --grow-by, in percent.
const maxGrowth = 1000

func runMonitorOn(c *cli.Context, o *console, ctl *dmctl.Controller, options monitor.Options) error {
	troubles := &troubles{warn: func(err error) { o.warnf("%w", err) }}
	if path := c.String("textfile"); path != "" {
		to, err := output.To(path, output.Options{})
		if err != nil {
			return err
		}
		options.Looked = func(snapshots []dmctl.Snapshot, fullIn func(string) time.Duration) error {
			troubles.of(textfileTrouble, to.Write(func(w io.Writer) error {
				return writeMonitorMetrics(w, snapshots, fullIn, troubles, time.Now())
			}))
			return nil
		}
	}
	options.Growth.Failed = func(name string, err error) { troubles.with(growTrouble, name, err) }
	options.Looked = thenNotify(options.Looked, sdnotify.New(os.Getenv), func(err error) { troubles.of(notifyTrouble, err) })
	notice := func(e monitor.Event) error { return troubles.unlessPipe(printEvent(o, e)) }
	if command := c.String("exec"); command != "" {
		hook := monitor.Hook{Command: command, Environment: eventEnvironment, Output: o.err}
		hooks := monitor.NewHooks(c.Context, hook, func(err error) { troubles.of(hookTrouble, err) })
		defer hooks.Close()
		show := notice
		notice = func(e monitor.Event) error {
			troubles.of(hookTrouble, hooks.Run(e))
			return show(e)
		}
	}
	if err := monitor.Run(c.Context, ctl, options, notice); err != nil {
		return err
	}
	if toldToStop(c.Context) {
		return nil
	}
	return fmt.Errorf("monitor: interrupted; it changes nothing and can be started again: %w", c.Context.Err())
}

// eventEnvironment describes an event to the command of --exec. Figures that the
// kernel does not give, and a forecast that there is not, are empty.
func eventEnvironment(e monitor.Event) []string {
	s := e.Snapshot
	var used, allocated, total, fullIn string
	if s.HasFigures() {
		used = fmt.Sprintf("%.1f", s.UsedPercent)
		allocated, total = fmt.Sprint(s.Allocated), fmt.Sprint(s.Total)
	}
	if e.FullIn > 0 {
		fullIn = strconv.FormatInt(int64(e.FullIn/time.Second), 10)
	}
	return []string{
		"DMSNAPCTL_EVENT=" + string(e.Kind), "DMSNAPCTL_NAME=" + s.Name, "DMSNAPCTL_STATE=" + s.State, "DMSNAPCTL_WAS=" + e.Was,
		"DMSNAPCTL_MESSAGE=" + e.Message, "DMSNAPCTL_ORIGIN=" + s.Origin, "DMSNAPCTL_COW=" + s.COW,
		"DMSNAPCTL_USED_PERCENT=" + used, "DMSNAPCTL_ALLOCATED_SECTORS=" + allocated, "DMSNAPCTL_TOTAL_SECTORS=" + total,
		"DMSNAPCTL_FULL_IN_SECONDS=" + fullIn,
	}
}

// looked is called after each look at the snapshots.
type looked func([]dmctl.Snapshot, func(name string) time.Duration) error

// thenNotify reports each look to the service manager, whose watchdog ends a
// monitor that stops looking. The first look makes the service ready.
func thenNotify(before looked, manager sdnotify.Notifier, failed func(error)) looked {
	ready := false
	return func(snapshots []dmctl.Snapshot, fullIn func(string) time.Duration) error {
		if before != nil {
			if err := before(snapshots, fullIn); err != nil {
				return err
			}
		}
		messages := []string{sdnotify.Watchdog}
		if !ready {
			messages = append(messages, sdnotify.Ready)
		}
		count := sdnotify.Status(fmt.Sprintf("watching snapshots; there: %d", len(snapshots)))
		err := manager.Send(append(messages, count)...)
		ready = ready || err == nil
		failed(err)
		return nil
	}
}

func printEvent(o *console, e monitor.Event) error {
	if !o.json {
		_, err := fmt.Fprintf(o.out, "%s %s\n", e.Time.Format(time.RFC3339), output.Name(e.Message))
		return err
	}
	out := eventJSON{
		Schema: schemaOf(o.command), Time: e.Time, Event: string(e.Kind), Was: e.Was, Message: e.Message,
		Snapshot: snapshotForMachines(e.Snapshot),
	}
	if e.FullIn > 0 {
		seconds := int64(e.FullIn / time.Second)
		out.FullInSeconds = &seconds
	}
	return o.printJSON(out)
}
