# Links the keycask that is installed (pkg-config, or --with-keycask-dir=PREFIX), else the one that the gem brings, by cargo.

require "mkmf"

HERE = __dir__
BROUGHT = File.expand_path("../../crate", HERE) # Where the gem has the library's source.

def build_the_one_that_the_gem_brings
  abort "keycask: no libkeycask was found by pkg-config, and the gem brings none: install the library first" unless File.exist?("#{BROUGHT}/Cargo.toml")
  unless find_executable("cargo")
    abort "keycask: neither libkeycask (by pkg-config) nor a Rust toolchain (cargo, 1.89 or later) was found: install one of them"
  end
  target = File.expand_path("target")
  system({ "CARGO_TARGET_DIR" => nil }, "cargo", "rustc", "--release", "--lib", "--crate-type", "staticlib", "--locked", "--quiet",
         "--target-dir", target, chdir: BROUGHT) || abort("keycask: cargo could not build the library")
  $INCFLAGS << " -I#{BROUGHT}/include"
  $LOCAL_LIBS << " #{target}/release/libkeycask.a " << File.read("#{BROUGHT}/abi/system-libraries.txt").split.map { |name| "-l#{name}" }.join(" ")
end

# Where the system's linker does not look by itself, the extension says where its library lies.
def find_it_again(folder)
  $LDFLAGS << " -Wl,-rpath,#{folder}" unless folder.start_with?("/usr/lib", "/lib", "/usr/local/lib")
end

def find_the_installed_one
  return have_library("keycask", "kc_abi_version", "keycask.h") if with_config("keycask-dir") || with_config("keycask-lib")
  return false unless pkg_config("keycask")

  find_it_again(pkg_config("keycask", "variable=libdir"))
  true
end

dir_config("keycask")
installed = find_the_installed_one
build_the_one_that_the_gem_brings unless installed

$CFLAGS << " -std=gnu11"
$LDFLAGS << " -Wl,--exclude-libs,ALL" # Nothing of the library, its SQLite above all, is seen by other extensions.
have_library("dl")
create_makefile("keycask/keycask")
