# Flags that every target shares. HEDDLE_SANITIZE=ON adds ASan and UBSan.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
option(HEDDLE_SANITIZE "build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

add_library(heddle_flags INTERFACE)
# -fno-math-errno lets square roots be one instruction; no other relaxation: results must not depend on how a loop was vectorised.
# -ffp-contract=off: g++ would otherwise fuse a * b + c where the tier can, so tiers, and a vector and its tail, could differ.
# -fno-strict-aliasing: kernels view the same memory as several element types.
target_compile_options(
  heddle_flags
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wno-psabi -Werror -fno-math-errno -ffp-contract=off -fno-strict-aliasing
            -ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}/..=.)
if(HEDDLE_SANITIZE)
  target_compile_options(heddle_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -g)
  target_link_options(heddle_flags INTERFACE -fsanitize=address,undefined)
endif()
