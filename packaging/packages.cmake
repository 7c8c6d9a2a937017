# A tarball, and packages for Debian: libkeycask1, which programs need to run, and libkeycask-dev, with which they are
# built. scripts/packages.sh makes and tries them.

set(CPACK_PACKAGE_NAME keycask)
set(CPACK_PACKAGE_VENDOR "The keycask authors")
set(CPACK_PACKAGE_CONTACT "The keycask authors <keycask@packages.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${CMAKE_CURRENT_SOURCE_DIR}/LICENSE-MIT")
set(CPACK_COMPONENTS_ALL lib dev)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SOURCE keycask)
set(about "A service that acts for its users holds their API keys. keycask gives
every user a key of their own, wraps each by one master key, and keeps
the wrapped keys in an SQLite file; the program keeps short text tokens.
.")

set(CPACK_DEBIAN_LIB_PACKAGE_NAME libkeycask1)
set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
# Written, and compared by scripts/packages.sh with what dpkg-shlibdeps finds: where CPack looks itself, it has the package
# call ldconfig, which Debian leaves to a trigger.
set(CPACK_DEBIAN_LIB_PACKAGE_DEPENDS "libc6 (>= 2.34), libgcc-s1 (>= 4.2)")
set(CPACK_DEBIAN_LIB_DESCRIPTION "${about}\nThis package has the library, which programs need to run.")
file(CONFIGURE OUTPUT packaging/shlibs CONTENT "libkeycask 1 libkeycask1 (>= @PROJECT_VERSION@)\n" @ONLY)
set(CPACK_DEBIAN_LIB_PACKAGE_CONTROL_EXTRA "${CMAKE_CURRENT_BINARY_DIR}/packaging/shlibs"
                                           "${CMAKE_CURRENT_SOURCE_DIR}/packaging/triggers")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libkeycask-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libkeycask1 (= ${PROJECT_VERSION}-1)")
set(CPACK_DEBIAN_DEV_DESCRIPTION "${about}\nThis package has the headers and the static library, for building programs.")

# What Debian wants of every package, in no other installation.
configure_file(packaging/changelog.in packaging/changelog @ONLY)
execute_process(COMMAND gzip -9n -c packaging/changelog WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}"
                OUTPUT_FILE packaging/changelog.Debian.gz COMMAND_ERROR_IS_FATAL ANY)
foreach(component lib dev)
    string(TOUPPER ${component} upper)
    install(FILES packaging/copyright "${CMAKE_CURRENT_BINARY_DIR}/packaging/changelog.Debian.gz"
            DESTINATION "share/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME}" COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
include(CPack)
