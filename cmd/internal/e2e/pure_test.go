package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPureCode reads the pure packages for what an import does not show: a
// goroutine, a channel, a look at the clock, a default logger.
func TestPureCode(t *testing.T) {
	read := 0
	for _, p := range packages(t) {
		if !slices.Contains(purePackages(), p.ImportPath) {
			continue
		}
		for _, file := range p.GoFiles {
			faults, err := impurities(filepath.Join(p.Dir, file), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range faults {
				t.Error(p.ImportPath + "/" + fault)
			}
			read++
		}
	}
	if read == 0 {
		t.Error("no file was read")
	}
}

// impurities lists what a pure package may not do, in a file or in src.
func impurities(file string, src any) ([]string, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var faults []string
	add := func(n ast.Node, what string) {
		at := set.Position(n.Pos())
		faults = append(faults, fmt.Sprintf("%s:%d: %s", filepath.Base(at.Filename), at.Line, what))
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "starts a goroutine")
		case *ast.ChanType:
			add(n, "has a channel")
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok && reachesOut(pkg.Name, n.Sel.Name) {
				add(n, "uses "+pkg.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
	return faults, nil
}

func reachesOut(pkg, name string) bool {
	switch pkg {
	case "time":
		return slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "LoadLocation", "Local"}, name)
	case "slog":
		return !slices.Contains([]string{"Value", "LogValuer", "Attr"}, name) && !strings.HasSuffix(name, "Value")
	case "fmt":
		return strings.HasPrefix(name, "Print") || strings.HasPrefix(name, "Scan")
	}
	return false
}

func TestPureCodeRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"go f()":                  "starts a goroutine",
		"_ = time.Now()":          "uses time.Now",
		"_ = make(chan int)":      "has a channel",
		`slog.Info("x")`:          "uses slog.Info",
		`fmt.Println("x")`:        "uses fmt.Println",
		`_ = slog.StringValue`:    "",
		"_ = time.Minute":         "",
		`_ = fmt.Sprintf("x %d")`: "",
	} {
		got, err := impurities("x.go", "package x\nfunc g() { "+line+" }\n")
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && got != nil || want != "" && (len(got) != 1 || got[0] != "x.go:2: "+want) {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
