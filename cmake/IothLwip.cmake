# SPDX-License-Identifier: LGPL-2.1-or-later
# lwIP 2.2.1: Debian's archive of the upstream source, fetched once into the build folder, with our
# patches of libioth/stack/patches. IOTH_LWIP_DIR names an unpacked, unpatched source instead.
set(IOTH_LWIP_ARCHIVE lwip_2.2.1+dfsg1.orig.tar.xz)
set(IOTH_LWIP_SHA256 83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1)
set(IOTH_LWIP_DIR "" CACHE PATH "lwIP 2.2.1 unpacked; fetched from Debian if empty")

set(lwip_patches ${PROJECT_SOURCE_DIR}/libioth/stack/patches)
file(GLOB patches CONFIGURE_DEPENDS ${lwip_patches}/*.patch)
list(SORT patches)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${patches})

# What the patched tree was made of: made again when that changes.
set(made_of "${IOTH_LWIP_SHA256} ${IOTH_LWIP_DIR}")
foreach(patch IN LISTS patches)
    file(SHA256 ${patch} sum)
    string(APPEND made_of " ${sum}")
endforeach()
set(LWIP_DIR ${PROJECT_BINARY_DIR}/lwip/source)
set(stamp ${PROJECT_BINARY_DIR}/lwip/made-of)
set(was_made_of "")
if(EXISTS ${stamp})
    file(READ ${stamp} was_made_of)
endif()

if(NOT was_made_of STREQUAL made_of)
    file(REMOVE_RECURSE ${LWIP_DIR} ${PROJECT_BINARY_DIR}/lwip/unpacked ${stamp})
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/lwip)
    if(IOTH_LWIP_DIR)
        if(NOT EXISTS ${IOTH_LWIP_DIR}/src/Filelists.cmake)
            message(FATAL_ERROR "IOTH_LWIP_DIR=${IOTH_LWIP_DIR} is no source of lwIP 2.2.1, unpacked")
        endif()
        # What Filelists.cmake needs, writable whatever the given folder is.
        file(COPY ${IOTH_LWIP_DIR}/src ${IOTH_LWIP_DIR}/COPYING DESTINATION ${LWIP_DIR} NO_SOURCE_PERMISSIONS)
        file(COPY ${IOTH_LWIP_DIR}/doc/doxygen/lwip.Doxyfile.cmake.in DESTINATION ${LWIP_DIR}/doc/doxygen
             NO_SOURCE_PERMISSIONS)
    else()
        message(STATUS "Fetching lwIP 2.2.1 from Debian")
        execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/fetch-lwip.sh ${PROJECT_BINARY_DIR}/lwip
                                ${IOTH_LWIP_ARCHIVE} ${IOTH_LWIP_SHA256}
                        RESULT_VARIABLE failed)
        if(failed)
            message(FATAL_ERROR "lwIP 2.2.1 cannot be had (see above)")
        endif()
        file(ARCHIVE_EXTRACT INPUT ${PROJECT_BINARY_DIR}/lwip/${IOTH_LWIP_ARCHIVE}
             DESTINATION ${PROJECT_BINARY_DIR}/lwip/unpacked)
        file(RENAME ${PROJECT_BINARY_DIR}/lwip/unpacked/lwip-2.2.1 ${LWIP_DIR})
    endif()
    find_program(IOTH_PATCH patch REQUIRED)
    foreach(patch IN LISTS patches)
        execute_process(COMMAND ${IOTH_PATCH} --silent --fuzz=0 --force -p1 -i ${patch}
                        WORKING_DIRECTORY ${LWIP_DIR} RESULT_VARIABLE failed)
        if(failed)
            message(FATAL_ERROR "${patch} does not apply to lwIP in ${LWIP_DIR}; it is not 2.2.1")
        endif()
    endforeach()
    file(WRITE ${stamp} "${made_of}")
endif()

include(${LWIP_DIR}/src/Filelists.cmake)
set(IOTH_LWIP_SOURCES ${lwipcore_SRCS} ${lwipcore4_SRCS} ${lwipcore6_SRCS}
    ${LWIP_DIR}/src/netif/ethernet.c)
