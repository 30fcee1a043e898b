// Package config reads settings: a YAML file over the defaults a struct holds,
// and environment variables over the file.
//
// The struct is the schema. Keys are its yaml tags; a key the struct does not
// have, a key given twice and a value of the wrong kind are errors that name
// file, line and key. Durations carry units. A scalar may be taken
// from elsewhere with a tag: `!file PATH` reads a file (relative to the
// settings file, end-of-line cut), `!env NAME` a variable. Every key is also a
// variable: xmppd.c2s_listen is PARLEY_XMPPD_C2S_LISTEN, and
// PARLEY_XMPPD_C2S_LISTEN_FILE names a file that holds the value.
//
// YAML merge keys and several documents in a file are left out. What the keys
// mean, and whether values fit together, is the business of each service's
// Validate; who composes the services' structs is the assembly.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds a settings file and a file a value is read from.
const maxFile = 1 << 20

// Source says where settings come from.
type Source struct {
	File    string   // path of the YAML file; "" means none
	Environ []string // as of os.Environ; nil means none
	Prefix  string   // of the variables, with its underscore: "PARLEY_"
	Ignore  []string // variables with the prefix that are not settings

	// Unknown hears of variables with the prefix that are no setting; nil makes
	// each an error. Cluster software sets such variables on its own.
	Unknown func(variable string)
}

// Error is a mistake in the settings: where, which key, what.
type Error struct {
	File string // file name or "environment"
	Line int    // 0 when unknown
	Key  string // dotted path, or the variable
	Msg  string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	return b.String() + ": " + e.Msg
}

// Load reads src over what dst, a pointer to a struct, already holds.
func Load(dst any, src Source) error {
	if src.File != "" {
		data, err := readFile(src.File)
		if err != nil {
			return fmt.Errorf("read the settings: %w", err)
		}
		if err := Decode(src.File, data, src.Environ, dst); err != nil {
			return err
		}
	}
	return overlay(dst, src)
}

// Decode reads YAML over what dst, a pointer to a struct, already holds. name
// is the file's name for errors and the base of relative `!file` paths; environ
// is where `!env` looks. All mistakes are reported, joined.
func Decode(name string, data []byte, environ []string, dst any) error {
	if len(data) > maxFile {
		return &Error{File: name, Msg: "the file is larger than 1 MiB"}
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		if strings.Contains(err.Error(), "no documents") {
			return nil
		}
		return syntaxError(name, err)
	}
	if doc.Kind == 0 || len(doc.Content) == 0 {
		return nil // nothing but comments
	}
	d := decoder{file: name, dir: filepath.Dir(name), environ: environ}
	d.value(doc.Content[0], structOf(dst), "")
	return errors.Join(d.errs...)
}

func syntaxError(name string, err error) error {
	var le *yaml.LoadError
	if errors.As(err, &le) && le.Mark.Line > 0 {
		return &Error{File: name, Line: le.Mark.Line, Msg: le.Message}
	}
	return &Error{File: name, Msg: strings.TrimPrefix(err.Error(), "yaml: ")}
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return os.ReadFile(path)
}
