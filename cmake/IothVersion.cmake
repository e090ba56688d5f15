# SPDX-License-Identifier: LGPL-2.1-or-later
# The version: from git where there is a tag, else the number below. A tarball sets IOTH_VERSION.
set(IOTH_VERSION_NUMBER 0.1.0)
set(IOTH_VERSION "" CACHE STRING "Version text, overrides git describe")
if(NOT IOTH_VERSION)
    execute_process(COMMAND git describe --tags --always --dirty
                    WORKING_DIRECTORY ${CMAKE_CURRENT_LIST_DIR}
                    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(described MATCHES "^v([0-9]+\\.[0-9]+\\.[0-9]+)")
        set(IOTH_VERSION_NUMBER ${CMAKE_MATCH_1})
        string(SUBSTRING ${described} 1 -1 IOTH_VERSION_TEXT)
    elseif(described)
        set(IOTH_VERSION_TEXT "${IOTH_VERSION_NUMBER}+${described}")
    else()
        set(IOTH_VERSION_TEXT ${IOTH_VERSION_NUMBER})
    endif()
else()
    set(IOTH_VERSION_TEXT ${IOTH_VERSION})
endif()
