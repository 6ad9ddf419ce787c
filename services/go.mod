module daprmall.dev/services

go 1.26
