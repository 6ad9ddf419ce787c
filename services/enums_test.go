package services_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The reasons and failure codes that openapi.yaml lists are those that the services give.
func TestReasonsAreListed(t *testing.T) {
	contract, err := os.ReadFile("../api-gateway/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cancelled := constants(t, "contracts/orderv1/events.go", "Reasons of a cancellation.")
	refunded := constants(t, "contracts/orderv1/events.go", "Reasons of a refund.")
	all := constants(t, "order/internal/order/order.go", "The reasons.")
	var shown []string // in histories: a request for a refund is no state of the order
	for _, reason := range all {
		if !slices.Contains(refunded, reason) {
			shown = append(shown, reason)
		}
	}
	for schema, want := range map[string][]string{
		"CancelReason": cancelled, "StatusReason": shown,
		"FailureCode": constants(t, "payment/internal/payment/payment.go", "Failure codes."),
	} {
		found := regexp.MustCompile(`(?s)\n    ` + schema + `:\n.*?\n      enum: \[(.*?)\]`).FindSubmatch(contract)
		if found == nil {
			t.Errorf("openapi.yaml has no enum %s", schema)
			continue
		}
		listed := strings.Split(string(found[1]), ", ")
		slices.Sort(listed)
		slices.Sort(want)
		if !slices.Equal(listed, want) {
			t.Errorf("openapi.yaml lists %s %q, the services give %q", schema, listed, want)
		}
	}
}

// constants returns the texts of the block of constants whose comment begins with doc.
func constants(t *testing.T, file, doc string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		block, ok := decl.(*ast.GenDecl)
		if !ok || !strings.HasPrefix(block.Doc.Text(), doc) {
			continue
		}
		for _, spec := range block.Specs {
			for _, value := range spec.(*ast.ValueSpec).Values {
				text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, text)
			}
		}
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constants %q", file, doc)
	}
	return values
}
