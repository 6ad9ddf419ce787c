module daprmall.dev/api-gateway

go 1.26
