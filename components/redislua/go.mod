module daprmall.dev/redislua

go 1.26
