package operate

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"daprmall.dev/deploy/internal/settings"
	"daprmall.dev/services/kit/config/keys"
)

// List shows every setting with the value in force, its default and what it is for.
func (c Config) List(ctx context.Context) error {
	values, err := c.Values(ctx)
	if err != nil {
		return err
	}
	rec, err := c.Record.Read()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  setting\tin force\tdefault\tvalues\tfor")
	var notes []string
	for _, k := range keys.All() {
		value, note := inForce(k, values, rec)
		mark := " "
		if note != "" {
			mark = "!"
			notes = append(notes, "! "+k.Name+" "+note)
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%s\n", mark, k.Name, oneLine(value), oneLine(k.Default), k.Form, k.Doc)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, ok := values[settings.Initialized]; !ok {
		notes = append(notes, "! "+settings.Initialized+" is lost; `config restore` writes it back")
	}
	for _, note := range notes {
		fmt.Fprintln(c.Out, note)
	}
	return nil
}

// inForce returns the values that services use, as far as the store and this command's record tell, and what is wrong
// with them.
func inForce(k keys.Entry, values map[string]string, rec map[string]string) (value, note string) {
	raw, present := values[k.Name]
	lastRaw, recorded := rec[k.Name]
	now, last := settings.Parse(raw), settings.Parse(lastRaw)
	value = now.Text
	switch {
	case !present && recorded && last.Text != settings.Unset:
		value, note = last.Text, "is lost: services still use this value; `config restore` writes it back"
	case present && now.Version != 0 && now.Version < last.Version:
		value, note = last.Text, "is newer than the store's "+oneLine(now.Text)+"; `config restore` writes it back"
	case present && recorded && last.Text != now.Text:
		note = "was changed by another program; this command last wrote " + oneLine(last.Text)
	case present && now.Text != settings.Unset && k.Check(now.Text) != nil:
		note = "is not valid: services still use the last valid value"
	}
	if !present && value == "" || value == settings.Unset {
		value = k.Default
	}
	return value, note
}

// oneLine shortens a value for a table.
func oneLine(text string) string {
	const most = 24
	line, rest, _ := strings.Cut(text, "\n")
	if r := []rune(line); rest != "" || len(r) > most {
		return string(r[:min(len(r), most)]) + "…"
	}
	if line == "" {
		return "-"
	}
	return line
}
