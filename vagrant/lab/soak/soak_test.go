package soak

import "testing"

func TestPart(t *testing.T) {
	for _, tt := range []struct {
		percent    string
		long, want int
	}{
		{"", 300, 30}, {"", 3, 1}, {"100", 300, 300}, {"100", 1, 1}, {"1", 50, 1}, {"200", 10, 20}, {"15", 10, 2},
	} {
		if got, err := part(tt.percent, tt.long); err != nil || got != tt.want {
			t.Errorf("%q%% of %d: %d, %v; want %d", tt.percent, tt.long, got, err, tt.want)
		}
	}
	for _, bad := range []string{"0", "-1", "1001", "all", "10%"} {
		if n, err := part(bad, 10); err == nil {
			t.Errorf("%q gave %d rounds", bad, n)
		}
	}
}

func TestEvery(t *testing.T) {
	for percent, want := range map[string]int{"": 10, "100": 1, "50": 2, "200": 1} {
		t.Setenv(Variable, percent)
		if got := Every(t); got != want {
			t.Errorf("%q: every %d, want %d", percent, got, want)
		}
	}
}
