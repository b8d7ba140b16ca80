// Threads, seeds, autocast, and what is set once a process.
#include "s2ap.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <c10/util/Logging.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/version.h>

#include <climits>
#include <mutex>

#define S2AP_TORCH_AT_LEAST(major, minor) (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace s2ap {
namespace {

/// setAutocast(enabled) in bfloat16 on the CPU -> what it was. The cache of cast leaves is dropped at every change.
napi_value setAutocast(napi_env env, Environment&, const std::vector<napi_value>& arguments) {
  const bool enabled = readBoolean(env, arguments[0], "enabled");
#if S2AP_TORCH_AT_LEAST(2, 4)
  const bool before = at::autocast::is_autocast_enabled(at::kCPU);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, enabled);
#else
  const bool before = at::autocast::is_cpu_enabled();
  at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
  at::autocast::set_cpu_enabled(enabled);
#endif
  at::autocast::clear_cache();
  return writeBoolean(env, before);
}

/// manualSeed(bigint): the default CPU generator starts anew from these 64 bits.
napi_value manualSeed(napi_env env, Environment&, const std::vector<napi_value>& arguments) {
  uint64_t seed = 0;
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env, arguments[0], &seed, &lossless) != napi_ok) usage("expected the seed to be a bigint");
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
  return undefined(env);
}

/// OpenBLAS built with a pool of its own does not hear of OpenMP's number; that pool would go on, and spin between its tasks.
void setBlasThreads(int threads) {
  static const auto set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set) set(threads);
}

napi_value setThreads(napi_env env, Environment&, const std::vector<napi_value>& arguments) {
  const int64_t threads = readInteger(env, arguments[0], "threads");
  if (threads < 1 || threads > 4096) usage("expected threads in [1, 4096], got " + std::to_string(threads));
  at::set_num_threads(static_cast<int>(threads));
  setBlasThreads(static_cast<int>(threads));
  return undefined(env);
}

napi_value threads(napi_env env, Environment&, const std::vector<napi_value>&) { return writeNumber(env, at::get_num_threads()); }

/// returnMemory(): what was freed goes back to the system.
napi_value returnMemory(napi_env env, Environment&, const std::vector<napi_value>&) {
  malloc_trim(0);
  return undefined(env);
}

napi_value version(napi_env env, Environment&, const std::vector<napi_value>&) { return writeString(env, TORCH_VERSION); }

}  // namespace

void prepareProcess() {
  // Training frees and takes the same large blocks at every step; returning them to the system would fault each page in again.
  static std::once_flag once;
  std::call_once(once, [] {
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    // Errors go to JavaScript without C++ frames, so none are looked up: that would take milliseconds an error.
    c10::SetStackTraceFetcher([] { return std::string(); });
  });
}

const std::vector<Export> engineExports{
    {"setAutocast", 1, setAutocast}, {"manualSeed", 1, manualSeed}, {"setThreads", 1, setThreads}, {"threads", 0, threads},
    {"returnMemory", 0, returnMemory}, {"version", 0, version}};

}  // namespace s2ap
