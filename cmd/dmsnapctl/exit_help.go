// Exit codes as help texts and manual pages show them.

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/manual"
)

// exitTable is the table of all exit codes. A test compares it with the tables of
// the documents.
var exitTable = []manual.Exit{
	{Code: "0", Text: "fine, done"},
	{Code: "1", Text: "warning: leaked chunks, a leaky kernel, a threshold crossed"},
	{Code: "2", Text: "critical: a damaged or invalidated store, a failed merge, a wrong table"},
	{Code: "3", Text: "could not be determined or done"},
	{Code: "64", Text: "the command line is wrong"},
	{Code: "130", Text: "interrupted"},
}

// endings says what a command means by its exit codes. A command without a
// warning or critical text never ends with 1 or 2. One with an own text also
// passes on the exit code of the COMMAND that it runs. Any other empty text
// means that of exitTable.
type endings struct{ fine, warning, critical, unknown, interrupted, own string }

// Texts that several commands share.
const (
	fineAnyway   = "done, also for leaked chunks and stale records"
	damagedStore = "the store is damaged or was invalidated"
	notForAll    = "not done, or not for every NAME"
	leakFindings = "findings of --fail-on: leak, stale"
	hardFindings = "findings of --fail-on: corrupt, image, lost, check, second-crash"
	softFindings = "not determined or done; also the finding blind of --fail-on"
)

// endingsOf has the commands that differ from exitTable. A test compares it
// with what the commands do.
var endingsOf = map[string]endings{
	"verify":         {warning: "leaked chunks, stale records or a full store", critical: "a damaged or invalidated store"},
	"map":            {fine: "the picture is drawn, sound store or not"},
	"size":           {critical: damagedStore},
	"delta":          {fine: fineAnyway, critical: damagedStore + ": changes may be missing"},
	"extract":        {fine: fineAnyway, warning: "done with --best-effort, and parts are uncertain", critical: damagedStore},
	"mount":          {fine: "unmounted, or COMMAND ended with 0", warning: "the same with --best-effort, and parts are uncertain", critical: damagedStore, own: "COMMAND's own exit code"},
	"dump":           {fine: fineAnyway, critical: damagedStore},
	"repair":         {fine: "done, or nothing to do", critical: "the damage cannot be repaired"},
	"reclaim":        {fine: "done, or nothing to do", critical: damagedStore},
	"apply":          {critical: damagedStore},
	"revalidate":     {critical: "the store is damaged as well"},
	"rescue":         {fine: "done, or nothing is wrong; without --yes, the commands are listed", warning: "the image is uncertain in parts, or the store is still full", critical: "the store is still damaged or invalidated"},
	"check":          {warning: "a leaky kernel, or one that the advisory applies to"},
	"clone":          {unknown: notForAll},
	"reset":          {unknown: notForAll},
	"remove":         {unknown: notForAll},
	"status":         {warning: "a snapshot reached --threshold", critical: "a snapshot is invalid, overflowed or reached --critical, or a merge failed"},
	"activate":       {critical: damagedStore},
	"merge":          {critical: "the merge failed"},
	"grow":           {critical: "the store's file is damaged or was invalidated"},
	"monitor":        {fine: "ended by SIGTERM", interrupted: "ended by SIGINT or SIGHUP"},
	"table lint":     {critical: "the table is wrong"},
	"table concise":  {critical: "the table is wrong"},
	"crash":          {warning: leakFindings + "; or leaks of the model", critical: hardFindings + "; or no image of a damaged store", unknown: "not done, or findings that are not determined"},
	"crash record":   {unknown: "not done, a log is full, or COMMAND failed"},
	"crash mark":     {unknown: "not done, or nothing is being recorded"},
	"crash explore":  {warning: leakFindings, critical: hardFindings, unknown: softFindings},
	"crash combine":  {warning: leakFindings, critical: hardFindings, unknown: softFindings},
	"crash state":    {critical: "the image asked for cannot be made, as the store is damaged or invalidated in this state"},
	"crash simulate": {warning: "chunks leaked"},
	"with-snapshot": {
		fine: "COMMAND ended with 0", own: "COMMAND's own exit code; 128+S if signal S ended it; 126 or 127 if it cannot be run",
		unknown: "the snapshot was lost, or could not be made or removed", interrupted: "interrupted before COMMAND ran",
	},
}

// texts are the own texts by code.
func (e endings) texts() map[string]string {
	return map[string]string{"0": e.fine, "1": e.warning, "2": e.critical, "3": e.unknown, "130": e.interrupted}
}

// neverInterrupted are the commands that end before an interrupt would matter.
var neverInterrupted = map[string]bool{
	"manual": true, "complete": true,
}

// exitsOf are the exit codes that a command can end with.
func exitsOf(command string) []manual.Exit {
	e := endingsOf[command]
	own := e.texts()
	quick := neverInterrupted[command] || strings.HasPrefix(command, "table ") && command != "table lint" && command != "table concise"
	var all []manual.Exit
	for _, x := range exitTable {
		text := own[x.Code]
		switch {
		case text != "":
			x.Text = text
		case x.Code == strconv.Itoa(exitWarning), x.Code == strconv.Itoa(exitCritical), x.Code == strconv.Itoa(exitInterrupted) && quick:
			continue
		}
		all = append(all, x)
	}
	if e.own != "" {
		all = append(all, manual.Exit{Code: "N", Text: e.own})
	}
	return all
}

// exitsOfGroup are the exit codes that some command of a group can end with, in
// the group's words, or else in those of the first one that has words of its
// own.
func exitsOfGroup(group string, commands []*cli.Command) []manual.Exit {
	var all []manual.Exit
	for _, x := range exitTable {
		some, text := false, x.Text
		for _, c := range commands {
			i := slices.IndexFunc(exitsOf(group+" "+c.Name), func(of manual.Exit) bool { return of.Code == x.Code })
			if i < 0 {
				continue
			}
			some = true
			if of := exitsOf(group + " " + c.Name)[i]; text == x.Text {
				text = of.Text
			}
		}
		if own := endingsOf[group].texts()[x.Code]; own != "" {
			text = own
		}
		if some {
			all = append(all, manual.Exit{Code: x.Code, Text: text})
		}
	}
	return all
}

// exitHelp is the section of a help text.
func exitHelp(exits []manual.Exit) string {
	var b strings.Builder
	b.WriteString("EXIT STATUS:\n")
	for _, x := range exits {
		fmt.Fprintf(&b, "   %-5s%s", x.Code, strings.TrimLeft(wrap(x.Text, 8, 8), " "))
	}
	return b.String()
}
