package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"daprmall.dev/services/kit/page"
	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/kit/web"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/productfile"
)

const (
	// maxImport is the largest file, in bytes; the gateway and the sidecars take as much.
	maxImport = 16 << 20
	// importPatience is how long a request waits for its import, so that the report of a small file is the answer.
	importPatience = 2 * time.Second
	// atOnceImports is how many files this process reads at a time.
	atOnceImports = 2
)

// importBody is an import as the REST contract shows it, with a page of its rows.
type importBody struct {
	ID             string     `json:"id"`
	Status         string     `json:"status"`
	Format         string     `json:"format"`
	DryRun         bool       `json:"dry_run"`
	Totals         totalsBody `json:"totals"`
	IgnoredColumns []string   `json:"ignored_columns"`
	CreatedAt      time.Time  `json:"created_at"`
	FinishedAt     *time.Time `json:"finished_at,omitempty"`
	page.Page[rowBody]
}

type totalsBody struct {
	Rows      int `json:"rows"`
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	Refused   int `json:"refused"`
}

type rowBody struct {
	Line      int             `json:"line"`
	SKU       string          `json:"sku"`
	Outcome   catalog.Outcome `json:"outcome"`
	ProductID string          `json:"product_id,omitempty"`
	Errors    []problem.Field `json:"errors,omitempty"`
}

func rowBodyOf(r catalog.ImportRow) rowBody {
	return rowBody{Line: r.Line, SKU: r.SKU, Outcome: r.Outcome, ProductID: r.ProductID, Errors: r.Problems}
}

// startImport takes a file, and answers with its report, as far as it is when the patience ends.
func (h handler) startImport(c *gin.Context) error {
	if err := web.OnlyQuery(c, "dry_run"); err != nil {
		return err
	}
	dryRun := false
	if text, given := c.GetQuery("dry_run"); given {
		if text != "true" && text != "false" {
			return problem.Validation(problem.Field{Field: "dry_run", Message: "must be true or false"})
		}
		dryRun = text == "true"
	}
	select {
	case h.reading <- struct{}{}:
	default:
		return problem.NewUnavailable(errors.New("too many files are being read"), 5*time.Second,
			"Other files are being read. Send yours again.")
	}
	imp, err := func() (catalog.Import, error) {
		defer func() { <-h.reading }()
		file, err := readFile(c)
		if err != nil {
			return catalog.Import{}, err
		}
		return h.imports.Start(c.Request.Context(), actor(c), file, dryRun)
	}()
	if err != nil {
		return readProblem(err)
	}
	if imp, err = h.imports.Await(c.Request.Context(), actor(c), imp.ID, importPatience); err != nil {
		return err
	}
	c.Header("Location", "/v1/products/imports/"+imp.ID)
	return h.writeImport(c, http.StatusAccepted, imp, 100, "", 0)
}

// readFile finds out what the body is.
func readFile(c *gin.Context) (catalog.ImportFile, error) {
	body := http.MaxBytesReader(c.Writer, c.Request.Body, maxImport)
	media, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if charset := params["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") {
		media = ""
	}
	switch media {
	case "text/csv":
		file, err := productfile.CSV(body)
		next := file.Next
		file.Next = func() ([]catalog.ImportRow, error) {
			rows, err := next()
			for i := range rows {
				encodePictures(&rows[i])
			}
			return rows, err
		}
		return file, err
	case "application/jsonl", "application/x-ndjson":
		return jsonLines(body), nil
	}
	// Sidecars pass no type on with an empty body.
	if _, err := io.ReadFull(body, make([]byte, 1)); errors.Is(err, io.EOF) {
		return catalog.ImportFile{}, problem.Validation(problem.Field{Field: "file", Message: "is empty"})
	}
	return catalog.ImportFile{}, problem.Validation(problem.Field{Field: "Content-Type",
		Message: "must be text/csv, application/jsonl or application/x-ndjson, in UTF-8"})
}

// readProblem says why a file could not be read.
func readProblem(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return problem.New(problem.TooLarge, "body_too_large", "The file is larger than %d MiB. Split it.", maxImport>>20)
	}
	return err
}

func (h handler) getImport(c *gin.Context) error {
	if err := web.OnlyQuery(c, "outcome", "page_size", "page_token"); err != nil {
		return err
	}
	outcome := catalog.Outcome(c.Query("outcome"))
	if _, given := c.GetQuery("outcome"); given {
		switch outcome {
		case catalog.Pending, catalog.Created, catalog.Updated, catalog.Unchanged, catalog.Refused:
		default:
			return problem.Validation(problem.Field{Field: "outcome",
				Message: "must be pending, created, updated, unchanged or refused"})
		}
	}
	size, err := page.Size(c)
	if err != nil {
		return err
	}
	token, err := page.After(c)
	if err != nil {
		return err
	}
	after := 0
	if token != "" {
		if after, err = strconv.Atoi(token); err != nil {
			return page.BadToken()
		}
	}
	id, err := web.ID(c, "id", "import")
	if err != nil {
		return err
	}
	imp, err := h.imports.Get(c.Request.Context(), actor(c), id)
	if err != nil {
		return err
	}
	return h.writeImport(c, http.StatusOK, imp, size, outcome, after)
}

func (h handler) writeImport(
	c *gin.Context, status int, imp catalog.Import, size int, outcome catalog.Outcome, after int,
) error {
	rows, err := h.imports.Rows(c.Request.Context(), imp, outcome, after, size+1)
	if err != nil {
		return err
	}
	t := imp.Totals
	b := importBody{ID: imp.ID, Status: "running", Format: imp.Format, DryRun: imp.DryRun,
		Totals:         totalsBody{t.Rows, t.Created, t.Updated, t.Unchanged, t.Refused},
		IgnoredColumns: imp.Ignored, CreatedAt: imp.CreatedAt,
		Page: page.ByID(rows, size, func(r catalog.ImportRow) string { return strconv.Itoa(r.Line) }, rowBodyOf)}
	if !imp.FinishedAt.IsZero() {
		b.Status, b.FinishedAt = "finished", &imp.FinishedAt
	}
	c.JSON(status, b)
	return nil
}
