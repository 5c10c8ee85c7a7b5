// The line of a monitoring plugin, as Nagios and Icinga read it.

package output

import "strings"

// PluginLine is the line of a monitoring plugin: a state, a text and the
// performance data, which may be none.
func PluginLine(state, text string, performance ...string) string {
	// A bar would start the performance data.
	line := "DMSNAPCTL " + state + " - " + strings.ReplaceAll(Name(text), "|", "/")
	if len(performance) == 0 {
		return line
	}
	return line + " | " + strings.Join(performance, " ")
}

// PluginLabel is a name as performance data may have it: without quotes and
// equals signs.
func PluginLabel(name string) string {
	return strings.NewReplacer("'", "_", "=", "_", "|", "_").Replace(Name(name))
}
