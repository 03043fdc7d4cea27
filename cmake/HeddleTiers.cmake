# heddle_add_tiers(target sources...): compiles the sources once per tier, each in its own namespace (HD_TIER), into the target. The
# library chooses one at load by CPUID, so nothing here may use -march=native.
set(HEDDLE_TIER_scalar -march=x86-64)
set(HEDDLE_TIER_v3 -march=x86-64-v3)
set(HEDDLE_TIER_v4 -march=x86-64-v4 -mprefer-vector-width=512)
set(HEDDLE_TIER_v4bf16 -march=x86-64-v4 -mavx512bf16 -mprefer-vector-width=512)

add_library(heddle_no_uninitialized INTERFACE)
target_compile_options(heddle_no_uninitialized INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)

function(heddle_add_tiers target)
  foreach(tier scalar v3 v4 v4bf16)
    set(part ${target}_${tier})
    add_library(${part} OBJECT ${ARGN})
    target_compile_definitions(${part} PRIVATE HD_TIER=${tier})
    # Sanitizers triple the time of -O3; what they watch is the same at -O1.
    target_compile_options(${part} PRIVATE ${HEDDLE_TIER_${tier}} $<IF:$<BOOL:${HEDDLE_SANITIZE}>,-O1,-O3>)
    target_include_directories(${part} PRIVATE include src)
    target_link_libraries(${part} PRIVATE heddle_flags OpenMP::OpenMP_CXX)
    # GCC 12's own AVX-512 headers use an undefined register on purpose (_mm512_undefined_*), which it then warns about.
    target_link_libraries(${part} PRIVATE heddle_no_uninitialized)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${part}>)
  endforeach()
endfunction()
