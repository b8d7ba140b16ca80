# `find_package(Torch)` by plain files, in place of libtorch's own TorchConfig.cmake: that one differs between versions and
# packagings (Debian's also wants gflags, glog and protobuf), cannot be moved, and we need only headers and three libraries.
# scripts/build-native passes TORCH_INCLUDE_DIR and TORCH_LIB_DIR, found by scripts/find-libtorch.
set(TORCH_INCLUDE_DIR "/usr/include" CACHE PATH "libtorch's include folder")
set(TORCH_LIB_DIR "" CACHE PATH "libtorch's library folder")
if(TORCH_LIB_DIR)
  set(only NO_DEFAULT_PATH) # never mix the folder that was asked for with the system's
endif()
find_library(TORCH_CPU_LIBRARY torch_cpu PATHS "${TORCH_LIB_DIR}" NO_CACHE ${only})
find_library(TORCH_LIBRARY torch PATHS "${TORCH_LIB_DIR}" NO_CACHE ${only})
find_library(TORCH_C10_LIBRARY c10 PATHS "${TORCH_LIB_DIR}" NO_CACHE ${only})
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Torch REQUIRED_VARS TORCH_CPU_LIBRARY TORCH_LIBRARY TORCH_C10_LIBRARY TORCH_INCLUDE_DIR)

# PyTorch's own Linux builds before 2.6 use the old std::string; the name of c10::Error's constructor tells.
file(STRINGS "${TORCH_C10_LIBRARY}" new_string REGEX "_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx11" LIMIT_COUNT 1)
file(STRINGS "${TORCH_C10_LIBRARY}" old_string REGEX "_ZN3c105ErrorC1ENS_14SourceLocationESs" LIMIT_COUNT 1)
if(old_string AND NOT new_string)
  set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=0")
else()
  set(TORCH_CXX_FLAGS "")
endif()

add_library(s2ap_libtorch INTERFACE)
target_include_directories(s2ap_libtorch SYSTEM INTERFACE
  "${TORCH_INCLUDE_DIR}" "${TORCH_INCLUDE_DIR}/torch/csrc/api/include")
target_link_libraries(s2ap_libtorch INTERFACE
  # libtorch.so pulls in the CUDA kernels where there are any, though no symbol of it is used: keep it.
  "-Wl,--no-as-needed" "${TORCH_LIBRARY}" "${TORCH_CPU_LIBRARY}" "${TORCH_C10_LIBRARY}" "-Wl,--as-needed"
  # The folder built against is also where libtorch's own libraries look for one another (RPATH, not RUNPATH).
  "-Wl,--disable-new-dtags")
set(TORCH_LIBRARIES s2ap_libtorch)
