//go:build packages && linux

package packaging

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAlerts(t *testing.T) {
	need(t, "prometheus")
	must(t, "promtool", "check", "rules", "fleet/prometheus/dmsnapctl.rules.yml")
	must(t, "promtool", "test", "rules", "fleet/prometheus/dmsnapctl.rules.test.yml")
}

// leakySystem is a system with only one kernel, a leaky one.
func leakySystem(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	modules := root + "/lib/modules/6.1.0-fixture/kernel/drivers/md"
	for _, dir := range []string{modules, root + "/boot"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "cp", "../testdata/modules/amd64-leaky.ko.xz", modules+"/dm-snapshot.ko.xz")
	write(t, root+"/boot/vmlinuz-6.1.0-fixture", "")
	if err := os.Symlink("boot/vmlinuz-6.1.0-fixture", root+"/vmlinuz"); err != nil {
		t.Fatal(err)
	}
	return root
}

// checkMetrics are the metrics of the daily check on a system, which must end with
// an exit code.
func checkMetrics(t *testing.T, root string, code int) string {
	t.Helper()
	check := exec.Command(unpacked(t)+"/usr/sbin/dmsnapctl", "check", "--all-kernels", "--next", "--format", "prometheus", "--root", root)
	out, _ := check.Output()
	if got := check.ProcessState.ExitCode(); got != code {
		t.Fatalf("exit code %d, want %d\n%s", got, code, out)
	}
	return string(out)
}

// unknownSystem is a system with only one kernel, which cannot be judged: its
// module is damaged.
func unknownSystem(t *testing.T) string {
	t.Helper()
	root := leakySystem(t)
	write(t, root+"/lib/modules/6.1.0-fixture/kernel/drivers/md/dm-snapshot.ko.xz", "damaged")
	return root
}

// monitorMetrics are the metrics of a monitor: a unit test of the program
// compares them with this file.
func monitorMetrics(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../testdata/monitor.prom")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMetricsAreWellFormed(t *testing.T) {
	need(t, "prometheus")
	for _, text := range []string{checkMetrics(t, leakySystem(t), 1), checkMetrics(t, unknownSystem(t), 3), monitorMetrics(t)} {
		lint := exec.Command("promtool", "check", "metrics")
		lint.Stdin = strings.NewReader(text)
		if said, err := lint.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%v: %s", err, said)
		}
	}
}

// counted are the panels that show one number, and the numbers for two machines: one
// has a leaky kernel and the snapshots of testdata/monitor.prom, and the kernel of
// the other cannot be judged.
var counted = map[string]string{
	"Machines that report": "2", "Next kernel leaks": "1", "Next kernel unknown": "1", "Snapshots": "1", "Snapshots lost": "1",
}

// Each query of the dashboard and of docs/fleet.md finds something in a
// Prometheus with the metrics of the program: also without the 0 that some show
// where there is nothing to count.
func TestQueriesOfTheDashboard(t *testing.T) {
	need(t, "prometheus", "prometheus-node-exporter")
	server := startPrometheus(t, []string{checkMetrics(t, leakySystem(t), 1), monitorMetrics(t)}, []string{checkMetrics(t, unknownSystem(t), 3)})
	text, err := os.ReadFile("fleet/grafana/dmsnapctl.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	queries, compared := 0, 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			queries++
			found := server.results(strings.TrimSuffix(target.Expr, " or vector(0)"))
			if len(found) == 0 {
				t.Errorf("%s: %s: finds nothing", p.Title, target.Expr)
			}
			if want, ok := counted[p.Title]; ok {
				compared++
				if len(found) != 1 || found[0] != want {
					t.Errorf("%s: %s: finds %v, want %s", p.Title, target.Expr, found, want)
				}
			}
		}
	}
	if queries < 10 || compared != len(counted) {
		t.Errorf("%d queries, %d of them compared with a number: some are not found any more", queries, compared)
	}
	page, err := os.ReadFile("../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for line := range strings.Lines(string(page)) {
		if q := strings.TrimSpace(line); strings.HasPrefix(line, "    ") && strings.Contains(q, "dmsnapctl_") {
			said++
			if len(server.results(q)) == 0 {
				t.Errorf("docs/fleet.md: %s: finds nothing", q)
			}
		}
	}
	if said == 0 {
		t.Error("docs/fleet.md has no query any more")
	}
}

type prometheus struct {
	t    *testing.T
	base string
}

// startPrometheus runs a node exporter for each machine, with texts as files for
// its textfile collector, and a Prometheus that has scraped them all twice.
func startPrometheus(t *testing.T, machines ...[]string) prometheus {
	t.Helper()
	var exporters []string
	for _, texts := range machines {
		dir, exporter := t.TempDir(), freeAddress(t)
		for i, text := range texts {
			write(t, fmt.Sprintf("%s/%d.prom", dir, i), text)
		}
		start(t, "prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+dir, "--web.listen-address="+exporter)
		exporters = append(exporters, "'"+exporter+"'")
	}
	server := freeAddress(t)
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	write(t, config, fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: node, static_configs: [{targets: [%s]}]}]\n", strings.Join(exporters, ",")))
	start(t, "prometheus", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+server)
	p := prometheus{t, "http://" + server}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		if found, err := p.query("count_over_time(dmsnapctl_check_worst[1m]) >= 2"); err == nil && len(found) == len(machines) {
			return p
		} else if time.Now().After(end) {
			t.Fatalf("Prometheus has no metrics: %v", err)
		}
	}
}

func start(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// results returns the values of the series that a query finds.
func (p prometheus) results(query string) []string {
	p.t.Helper()
	found, err := p.query(query)
	if err != nil {
		p.t.Errorf("%s: %v", query, err)
	}
	return found
}

func (p prometheus) query(query string) (found []string, err error) {
	response, err := http.Get(p.base + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Value [2]any } // a time and, as text, a number
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return nil, fmt.Errorf("%v %s", err, answer.Error)
	}
	for _, series := range answer.Data.Result {
		found = append(found, fmt.Sprint(series.Value[1]))
	}
	return found, nil
}

// The facts that Ansible and Facter read are JSON that names the kernels of the
// machine. A leaky kernel is a fact too, and not a failure.
func TestFacts(t *testing.T) {
	bin := t.TempDir()
	write(t, bin+"/dmsnapctl", fmt.Sprintf("#!/bin/sh\nexec %s/usr/sbin/dmsnapctl \"$@\" --root %s\n", unpacked(t), leakySystem(t)))
	fact := exec.Command("sh", "fleet/facter/dmsnapctl.sh")
	fact.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := fact.Output()
	type kernel struct {
		Release, Verdict string
		Next             bool
		Advisories       map[string]*bool
	}
	var facts struct {
		Check struct {
			Verdict string
			Kernels []kernel
		} `json:"dmsnapctl_check"`
	}
	if err != nil || json.Unmarshal(out, &facts) != nil {
		t.Fatalf("%v; the fact is %s", err, out)
	}
	if c := facts.Check; c.Verdict != "leaky" || len(c.Kernels) != 1 {
		t.Fatalf("not one leaky kernel: %s", out)
	}
	leak := facts.Check.Kernels[0].Advisories["snapshot-leak"]
	facts.Check.Kernels[0].Advisories = nil
	if diff := cmp.Diff(kernel{Release: "6.1.0-fixture", Verdict: "leaky", Next: true}, facts.Check.Kernels[0]); diff != "" || leak == nil || !*leak {
		t.Errorf("snapshot-leak %v, the kernel (-want +got):\n%s", leak, diff)
	}
}
