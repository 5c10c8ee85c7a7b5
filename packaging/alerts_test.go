package packaging

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each alert has a case in which it fires, and one in which it does not.
func TestEachAlertIsTested(t *testing.T) {
	rules, err := os.ReadFile("fleet/prometheus/dmsnapctl.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile("fleet/prometheus/dmsnapctl.rules.test.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`(?m)- alert: (\w+)$`).FindAllStringSubmatch(string(rules), -1)
	if len(alerts) < 12 {
		t.Errorf("%d alerts: some are not found any more", len(alerts))
	}
	for _, a := range alerts {
		of := "alertname: " + a[1] + "\n        exp_alerts:"
		if !strings.Contains(string(cases), of+"\n          - exp_labels:") {
			t.Errorf("%s fires in no case", a[1])
		}
		if !strings.Contains(string(cases), of+" []") {
			t.Errorf("%s is silent in no case", a[1])
		}
	}
}
