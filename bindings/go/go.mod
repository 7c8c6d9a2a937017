module keycask.dev/go/keycask

go 1.24
