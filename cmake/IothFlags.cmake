# SPDX-License-Identifier: LGPL-2.1-or-later
# One interface target carries the language, the warnings, the hardening and the sanitizers.
include(CheckCCompilerFlag)

add_library(ioth_flags INTERFACE)
add_library(ioth::flags ALIAS ioth_flags)
target_compile_features(ioth_flags INTERFACE c_std_11)
target_compile_definitions(ioth_flags INTERFACE _GNU_SOURCE)
target_include_directories(ioth_flags INTERFACE ${PROJECT_SOURCE_DIR})
# assert() is for our own bugs and stays on in every build type.
target_compile_options(ioth_flags INTERFACE -UNDEBUG -std=c11 -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

set(wanted
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual
    -Wcast-align=strict -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
    -Wformat=2 -Wundef -Wvla -Walloca -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough
    -Wnull-dereference -Wdouble-promotion
    -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wtrampolines -Wstringop-overflow=4
    -Warith-conversion -Wmissing-variable-declarations -Wcomma -Wthread-safety
    -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fno-common
    -fno-strict-overflow -fno-delete-null-pointer-checks -ftrivial-auto-var-init=zero
    -fvisibility=hidden)
foreach(flag IN LISTS wanted)
    string(MAKE_C_IDENTIFIER "ioth_has_${flag}" name)
    check_c_compiler_flag(${flag} ${name})
    if(${name})
        target_compile_options(ioth_flags INTERFACE ${flag})
    endif()
endforeach()
if(IOTH_WERROR)
    target_compile_options(ioth_flags INTERFACE -Werror)
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
target_link_options(ioth_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)

if(IOTH_SANITIZE)
    target_compile_options(ioth_flags INTERFACE -fsanitize=${IOTH_SANITIZE} -fno-sanitize-recover=all
                           -fno-omit-frame-pointer)
    target_link_options(ioth_flags INTERFACE -fsanitize=${IOTH_SANITIZE})
    target_compile_definitions(ioth_flags INTERFACE IOTH_SANITIZED) # gcc and clang tell it differently.
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_definitions(ioth_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(IOTH_FUZZ)
    target_compile_options(ioth_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
