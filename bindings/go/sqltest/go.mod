module keycask.dev/go/keycask/sqltest

go 1.24

require (
	github.com/mattn/go-sqlite3 v1.14.32
	keycask.dev/go/keycask v0.0.0
)

replace keycask.dev/go/keycask => ../
