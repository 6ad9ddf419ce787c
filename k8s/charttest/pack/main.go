// Package main packages the chart for a release: with its version, and with the repository and the tag of its images.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
)

func main() {
	version := flag.String("version", "", "of the chart and of the images, for example 1.2.3 or v1.2.3")
	repository := flag.String("repository", "", "where the images are, for example ghcr.io/me/daprmall")
	out := flag.String("out", ".", "the directory for the package")
	flag.Parse()
	c, err := loader.Load("../mall")
	if err == nil {
		err = release(c, *version, *repository)
	}
	if err == nil {
		err = os.MkdirAll(*out, 0o755)
	}
	var file string
	if err == nil {
		file, err = chartutil.Save(c, *out)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file)
}

// release sets the chart's version, and the images that it installs unless values say otherwise. The tag of the images
// is the version as it was given, the version of the chart has no v (helm.sh/docs/topics/charts, semantic versions).
func release(c *chart.Chart, version, repository string) error {
	const unset = "\n  repository: daprmall\n"
	if repository == "" {
		return fmt.Errorf("-repository is missing")
	}
	c.Metadata.AppVersion, c.Metadata.Version = version, strings.TrimPrefix(version, "v")
	for _, f := range c.Raw {
		if f.Name != chartutil.ValuesfileName {
			continue
		}
		if bytes.Count(f.Data, []byte(unset)) != 1 {
			return fmt.Errorf("%s does not have the line%s once", f.Name, unset)
		}
		f.Data = bytes.Replace(f.Data, []byte(unset), []byte("\n  repository: "+repository+"\n"), 1)
	}
	return c.Validate()
}
