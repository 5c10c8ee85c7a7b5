//go:build packages && linux

package packaging

import "testing"

func TestAlerts(t *testing.T) {
	need(t, "prometheus")
	must(t, "promtool", "check", "rules", "fleet/prometheus/dmsnapctl.rules.yml")
	must(t, "promtool", "test", "rules", "fleet/prometheus/dmsnapctl.rules.test.yml")
}
