package image

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// WriteSBOM writes what a program is made of, in CycloneDX: Go's own version and every module with its sum, as the
// linker recorded them in the program.
func WriteSBOM(to io.Writer, program string, about About) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: about.Labels()["org.opencontainers.image.created"],
		Component: &cdx.Component{Type: cdx.ComponentTypeApplication, Name: about.Title, Version: about.Version,
			Description: about.Description, BOMRef: about.Title,
			Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}}
	version := strings.TrimPrefix(info.GoVersion, "go")
	parts := []cdx.Component{{Type: cdx.ComponentTypeLibrary, Name: "std", Version: version, BOMRef: "std",
		PackageURL: "pkg:golang/std@" + version}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version == "" || m.Version == "(devel)" { // of this repository
			continue
		}
		url := "pkg:golang/" + m.Path + "@" + m.Version
		part := cdx.Component{Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, BOMRef: url, PackageURL: url}
		if m.Sum != "" { // of the module's files, as in go.sum
			part.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
		}
		parts = append(parts, part)
	}
	bom.Components = &parts
	return cdx.NewBOMEncoder(to, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}
