package output

import "testing"

func TestLocale(t *testing.T) {
	tests := []struct {
		all, ctype, lang string
		want             bool
	}{
		{"", "", "", false}, {"", "", "C", false}, {"", "", "en_US", false}, {"", "", "de_DE.ISO-8859-1", false},
		{"", "", "C.UTF-8", true}, {"", "", "en_US.utf8", true}, {"", "de_DE.UTF-8@euro", "C", true},
		{"C", "en_US.UTF-8", "en_US.UTF-8", false}, {"", "POSIX", "en_US.UTF-8", false},
	}
	for _, tt := range tests {
		t.Setenv("LC_ALL", tt.all)
		t.Setenv("LC_CTYPE", tt.ctype)
		t.Setenv("LANG", tt.lang)
		if got := UTF8(); got != tt.want {
			t.Errorf("LC_ALL=%q LC_CTYPE=%q LANG=%q: %v", tt.all, tt.ctype, tt.lang, got)
		}
	}
}
