module daprmall.dev/deploy

go 1.26

require (
	github.com/lib/pq v1.10.9
	github.com/ulikunitz/xz v0.5.15
	go.yaml.in/yaml/v3 v3.0.4
)
