package app

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// reload takes up what can change while everything runs, the certificate and how much is
// logged, and says what has to wait for the next start.
func (in *instance) reload(_ context.Context, _ []string, _ io.Reader, out io.Writer) error {
	in.reloading.Lock()
	defer in.reloading.Unlock()
	if in.certs != nil { // focus and bridge alone have none
		if err := in.renewCertificate(time.Now()); err != nil {
			return err
		}
		text, err := describeCertificate(in.certs.certFile, time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "certificate:", text)
	}
	cfg, err := Load(in.opts.ConfigFile, in.opts.Environ, func(string) {})
	if err == nil {
		if err = cfg.derive(in.opts.Parts, in.data, in.data.loadSecrets); err == nil {
			err = cfg.validate(in.opts.Parts)
		}
	}
	if err != nil {
		return fmt.Errorf("settings: %w; nothing of them was taken up", err)
	}
	later := changedKeys(in.cfg, cfg)
	if len(later) == 0 {
		fmt.Fprintln(out, "settings: unchanged")
		return nil
	}
	if level, err := logrus.ParseLevel(cfg.Log.Level); err == nil && cfg.Log.Level != in.cfg.Log.Level {
		in.log.Logger.SetLevel(level)
		in.cfg.Log.Level = cfg.Log.Level
		later = changedKeys(in.cfg, cfg)
		fmt.Fprintln(out, "settings: log.level is now", cfg.Log.Level)
	}
	if len(later) > 0 {
		fmt.Fprintln(out, "settings: these have changed and are used from the next start on:", joinWords(later))
	}
	return nil
}

// changedKeys are the keys in which two settings differ. Values are not shown: they may
// be secrets.
func changedKeys(a, b Config) []string {
	var keys []string
	var compare func(prefix string, x, y reflect.Value)
	compare = func(prefix string, x, y reflect.Value) {
		for i := range x.NumField() {
			name, _, _ := strings.Cut(x.Type().Field(i).Tag.Get("yaml"), ",")
			switch f, g := x.Field(i), y.Field(i); {
			case name == "-" || !x.Type().Field(i).IsExported():
			case name == "" && f.Kind() == reflect.Struct: // inline
				compare(prefix, f, g)
			case f.Kind() == reflect.Struct && f.NumField() > 0 && f.Type().Field(0).Tag.Get("yaml") != "":
				compare(prefix+name+".", f, g)
			case !reflect.DeepEqual(f.Interface(), g.Interface()):
				keys = append(keys, prefix+name)
			}
		}
	}
	compare("", reflect.ValueOf(a), reflect.ValueOf(b))
	return keys
}
