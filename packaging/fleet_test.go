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

// checkMetrics are the metrics of the daily check on a leaky system.
func checkMetrics(t *testing.T) string {
	t.Helper()
	check := exec.Command(unpacked(t)+"/usr/sbin/dmsnapctl", "check", "--all-kernels", "--next", "--format", "prometheus", "--root", leakySystem(t))
	out, _ := check.Output()
	if check.ProcessState.ExitCode() != 1 {
		t.Fatalf("exit code %d, want 1 for a leaky kernel\n%s", check.ProcessState.ExitCode(), out)
	}
	return string(out)
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
	for _, text := range []string{checkMetrics(t), monitorMetrics(t)} {
		lint := exec.Command("promtool", "check", "metrics")
		lint.Stdin = strings.NewReader(text)
		if said, err := lint.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%v: %s", err, said)
		}
	}
}

// Each query of the dashboard and of docs/fleet.md finds something in a
// Prometheus with the metrics of the program.
func TestQueriesOfTheDashboard(t *testing.T) {
	need(t, "prometheus", "prometheus-node-exporter")
	server := startPrometheus(t, checkMetrics(t), monitorMetrics(t))
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
	queries := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			queries++
			if n := server.results(target.Expr); n == 0 {
				t.Errorf("%s: %s: finds nothing", p.Title, target.Expr)
			}
		}
	}
	if queries < 10 {
		t.Errorf("%d queries: some are not found any more", queries)
	}
	page, err := os.ReadFile("../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for line := range strings.Lines(string(page)) {
		if q := strings.TrimSpace(line); strings.HasPrefix(line, "    ") && strings.Contains(q, "dmsnapctl_") {
			said++
			if server.results(q) == 0 {
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

// startPrometheus runs a node exporter with texts as files for its textfile
// collector, and a Prometheus that has scraped it twice.
func startPrometheus(t *testing.T, texts ...string) prometheus {
	t.Helper()
	dir := t.TempDir()
	for i, text := range texts {
		write(t, fmt.Sprintf("%s/%d.prom", dir, i), text)
	}
	exporter, server := freeAddress(t), freeAddress(t)
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	write(t, config, fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: node, static_configs: [{targets: ['%s']}]}]\n", exporter))
	start(t, "prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+dir, "--web.listen-address="+exporter)
	start(t, "prometheus", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+server)
	p := prometheus{t, "http://" + server}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		if n, err := p.query("count_over_time(dmsnapctl_check_worst[1m]) >= 2"); err == nil && n > 0 {
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

// results returns the number of series of a query.
func (p prometheus) results(query string) int {
	p.t.Helper()
	n, err := p.query(query)
	if err != nil {
		p.t.Errorf("%s: %v", query, err)
		return -1
	}
	return n
}

func (p prometheus) query(query string) (int, error) {
	response, err := http.Get(p.base + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return 0, fmt.Errorf("%v %s", err, answer.Error)
	}
	return len(answer.Data.Result), nil
}

// The facts that Ansible and Facter read are JSON that names the kernels.
func TestFacts(t *testing.T) {
	bin := unpacked(t) + "/usr/sbin"
	fact := exec.Command("sh", "fleet/facter/dmsnapctl.sh")
	fact.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := fact.Output()
	var facts struct {
		Check *struct{ Kernels []any } `json:"dmsnapctl_check"`
	}
	if err != nil || json.Unmarshal(out, &facts) != nil || facts.Check == nil {
		t.Errorf("%v; the fact is %s", err, out)
	}
}
