//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// table keeps every figure of every run.
type table struct {
	rows  []string // in the order they came: scenario and figure
	cells map[string]map[string][]float64
}

var columns = []string{"Parley", "Prosody", "floor, single", "floor, gathered"}

func newTable() *table { return &table{cells: make(map[string]map[string][]float64)} }

func (t *table) add(scenario, column string, figures map[string]float64) {
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		row := scenario + " | " + name
		if t.cells[row] == nil {
			t.cells[row] = make(map[string][]float64)
			t.rows = append(t.rows, row)
		}
		t.cells[row][column] = append(t.cells[row][column], figures[name])
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// print writes the table in Markdown: medians, and how much Parley's is of each other.
func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "| what | figure | %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)+2))
	for _, row := range t.rows {
		line := "| " + row
		ours := t.cells[row][columns[0]]
		for i, c := range columns {
			v := t.cells[row][c]
			line += " |"
			if len(v) == 0 {
				continue
			}
			m := median(v)
			line += " " + strconv.FormatFloat(m, 'f', digits(m), 64)
			if i > 0 && len(ours) > 0 && m != 0 {
				line += fmt.Sprintf(" (%.2f)", median(ours)/m)
			}
		}
		fmt.Fprintln(w, line+" |")
	}
	fmt.Fprintln(w, "\nIn brackets: Parley's figure as a multiple of this one.")
}

func digits(v float64) int {
	switch {
	case v >= 1000:
		return 0
	case v >= 10:
		return 1
	}
	return 2
}
