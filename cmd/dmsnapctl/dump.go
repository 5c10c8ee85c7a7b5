// The command dump: a store's metadata as lines of JSON.

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

const dumpHelp = `   Writes a store's header and records as lines of JSON: all of its metadata, none
   of its data. 'dmsnapctl restore' writes it back.

EXAMPLES:
   dmsnapctl dump cow.img -o cow.dump`

func dumpCommand() *cli.Command {
	return &cli.Command{
		Name: "dump", Usage: "write a store's metadata as lines of JSON", ArgsUsage: "STORE", Category: categoryTools, Description: dumpHelp,
		Flags:  []cli.Flag{&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "-", Usage: "write to `FILE`"}},
		Action: withArgs("STORE", byName(runDump)),
	}
}

func runDump(c *cli.Context) (err error) {
	o := outputOf(c)
	path := storeArg(c, 0)
	to, err := output.To(c.String("output"), output.Options{Reads: []string{path}, Stdout: o.out, Stderr: o.err, Private: true})
	if err != nil {
		return err
	}
	file, err := openStoreFile(c.Context, o, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	report, err := file.judge(c.Context, o, verify.Options{})
	if err != nil {
		return fmt.Errorf("dump %s: %w", path, leaving(err, notWritten(to)))
	}
	if report.Usage == nil {
		return fmt.Errorf("dump %s: %w", path, whyNoList(report.Report))
	}
	var unread error
	shown := startCopyProgress(o)
	from := shown.metered(newPatientReader(file.from), report.Report, mend.DumpPasses)
	err = to.Write(func(w io.Writer) error {
		unread = mend.Dump(c.Context, from, file.file.Size(), w)
		return mend.Undumped(unread)
	})
	shown.stop()
	if err == nil && toolCode(report.Report) != exitCritical {
		err = unread
	}
	if err != nil {
		return fmt.Errorf("dump %s: %w", path, leaving(err, notWritten(to)))
	}
	if code := toolCode(report.Report); code != exitFine {
		o.warnf("dump %s: %s: %s", path, verdictLine(report.Report), report.Reason())
		return exitStatus(code)
	}
	return nil
}
