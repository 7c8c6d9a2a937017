module keycask.dev/benches/go

go 1.24

require keycask.dev/go/keycask v0.0.0

replace keycask.dev/go/keycask => ../../bindings/go
