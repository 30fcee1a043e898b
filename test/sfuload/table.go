//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// table keeps every figure of every run.
type table struct {
	rows  []string
	cells map[string]map[string][]figures // by row and by who was measured
}

func newTable() *table { return &table{cells: map[string]map[string][]figures{}} }

func (t *table) add(row, who string, f figures) {
	if t.cells[row] == nil {
		t.cells[row] = map[string][]figures{}
		t.rows = append(t.rows, row)
	}
	t.cells[row][who] = append(t.cells[row][who], f)
}

// note adds figures and shows them at once.
func (t *table) note(row, who string, f figures) {
	fmt.Fprintf(os.Stderr, "%s, %s: %.0f packets/s, %.2f µs, %.1f a message, %.0f %% of a core, %.2f %% lost, p50 %.2f ms, p99 %.2f ms\n",
		row, who, f.rate, f.cost, f.run, 100*f.share, f.lost, f.p50, f.p99)
	t.add(row, who, f)
}

// of is the median of one figure.
func (t *table) of(row, who string, pick func(figures) float64) (m float64, ok bool) {
	var v []float64
	for _, f := range t.cells[row][who] {
		v = append(v, pick(f))
	}
	if len(v) == 0 {
		return 0, false
	}
	slices.Sort(v)
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2, true
}

func cost(f figures) float64 { return f.cost }

// print writes the table in Markdown.
func (t *table) print(w io.Writer) {
	fmt.Fprintln(w, "| shape | packets/s | floor, single µs | floor, runs µs | floor, runs held 1 ms µs | bridge µs | × runs | × held | × single | packets a message | core % | lost % | p50 ms | p99 ms | floor, runs p99 ms |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, row := range t.rows {
		number := func(digits int, who string, pick func(figures) float64) string {
			v, ok := t.of(row, who, pick)
			if !ok {
				return ""
			}
			return fmt.Sprintf("%.*f", digits, v)
		}
		times := func(who string) string {
			ours, ok := t.of(row, "bridge", cost)
			theirs, also := t.of(row, who, cost)
			if !ok || !also {
				return ""
			}
			return fmt.Sprintf("%.2f", ours/theirs)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row,
			number(0, "bridge", func(f figures) float64 { return f.rate }), number(2, "single", cost), number(2, "runs", cost), number(2, "runs held", cost),
			number(2, "bridge", cost), times("runs"), times("runs held"), times("single"),
			number(1, "bridge", func(f figures) float64 { return f.run }), number(0, "bridge", func(f figures) float64 { return 100 * f.share }),
			number(2, "bridge", func(f figures) float64 { return f.lost }),
			number(2, "bridge", func(f figures) float64 { return f.p50 }), number(2, "bridge", func(f figures) float64 { return f.p99 }),
			number(2, "runs", func(f figures) float64 { return f.p99 }))
	}
}
