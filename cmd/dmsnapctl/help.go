// Help texts: how the application and its commands describe themselves.

package main

// exitStatusHelp is the table that every help text ends with.
const exitStatusHelp = `EXIT STATUS:
   0    fine, done
   1    warning: leaked chunks, a leaky kernel, a threshold crossed
   2    critical: a damaged or invalidated store, a failed merge
   3    could not be determined or done
   64   the command line is wrong
   130  interrupted
`

const appHelp = `NAME:
   {{.Name}} - {{.Usage}}

USAGE:
   {{.UsageText}}

COMMANDS:{{range .VisibleCategories}}{{if .Name}}

 {{.Name}}:{{end}}{{range .VisibleCommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}{{end}}

   'dmsnapctl COMMAND --help' tells the rest, with examples.

GLOBAL FLAGS (before or after the command):{{range .VisibleFlags}}
   {{.}}{{end}}

SIZES:
   bytes, or with k, M, G, T (1024-based) or s (sectors of 512 bytes)

` + exitStatusHelp

const commandHelp = `NAME:
   {{.HelpName}} - {{.Usage}}

USAGE:
   {{.HelpName}}{{if .VisibleFlags}} [flags]{{end}}{{if .Subcommands}} COMMAND{{end}}{{if .ArgsUsage}} {{.ArgsUsage}}{{end}}
{{if .Description}}
{{.Description}}
{{end}}{{if .Subcommands}}
COMMANDS:{{range .Subcommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}
{{end}}{{if .VisibleFlags}}
FLAGS:{{range .VisibleFlags}}
   {{.}}{{end}}
{{end}}
GLOBAL FLAGS:
   --json, --quiet, --no-color, --progress; see 'dmsnapctl --help'

` + exitStatusHelp
