module daprmall.dev/deploy

go 1.26
