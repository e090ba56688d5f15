# SPDX-License-Identifier: LGPL-2.1-or-later

# ioth_library(NAME sources...): a static library of the project, with its flags.
function(ioth_library name)
    add_library(${name} STATIC ${ARGN})
    target_link_libraries(${name} PRIVATE ioth::flags)
endfunction()

# ioth::version: "ioth_version.h" with IOTH_VERSION_TEXT. Few files need it, so that a new commit
# compiles little.
configure_file(${CMAKE_CURRENT_LIST_DIR}/ioth_version.h.in
               ${PROJECT_BINARY_DIR}/generated/ioth_version.h @ONLY)
add_library(ioth_version INTERFACE)
target_include_directories(ioth_version INTERFACE ${PROJECT_BINARY_DIR}/generated)
add_library(ioth::version ALIAS ioth_version)

# ioth_unit_test(MODULE source LIBS...): tests/unit/test_MODULE.c as the test unit.MODULE.
function(ioth_unit_test module)
    add_executable(test_${module} test_${module}.c)
    target_link_libraries(test_${module} PRIVATE ioth::flags PkgConfig::CMOCKA ${ARGN})
    add_test(NAME unit.${module} COMMAND test_${module})
    set_tests_properties(unit.${module} PROPERTIES LABELS unit TIMEOUT 60)
endfunction()

# ioth_sim_test(MODULE LIBS...): tests/sim/sim_MODULE.c as the test sim.MODULE.
function(ioth_sim_test module)
    add_executable(sim_${module} sim_${module}.c)
    target_link_libraries(sim_${module} PRIVATE ioth::flags PkgConfig::CMOCKA ${ARGN})
    add_test(NAME sim.${module} COMMAND sim_${module})
    set_tests_properties(sim.${module} PROPERTIES LABELS sim TIMEOUT 120)
endfunction()

# ioth_fuzz_target(MODULE LIBS...): tests/fuzz/fuzz_MODULE.c. With IOTH_FUZZ a libFuzzer binary;
# in every build its corpus in tests/fuzz/corpus/MODULE is replayed as the test fuzz.MODULE.
function(ioth_fuzz_target module)
    if(IOTH_FUZZ)
        add_executable(fuzz_${module} fuzz_${module}.c)
        target_link_options(fuzz_${module} PRIVATE -fsanitize=fuzzer)
        add_test(NAME fuzz.${module}
                 COMMAND fuzz_${module} -runs=0 ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${module})
    else()
        add_executable(fuzz_${module} fuzz_${module}.c replay_main.c)
        add_test(NAME fuzz.${module}
                 COMMAND fuzz_${module} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${module})
    endif()
    target_link_libraries(fuzz_${module} PRIVATE ioth::flags ${ARGN})
    set_tests_properties(fuzz.${module} PROPERTIES LABELS fuzz TIMEOUT 60)
endfunction()
