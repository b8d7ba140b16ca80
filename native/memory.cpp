// How much memory a piece of work takes at its peak, from libtorch's own account of its allocations.
#include "s2ap.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>

namespace s2ap {
namespace {

/// The totals of this interface changed their type between versions of libtorch.
template <class Member>
struct TotalOf;
template <class Base, class Pointer, class Size, class Total, class... Rest>
struct TotalOf<void (Base::*)(Pointer, Size, Total, Rest...)> {
  using Type = Total;
};
using Total = TotalOf<decltype(&c10::MemoryReportingInfoBase::reportMemoryUsage)>::Type;

/// Follows the allocations of one thread while it is installed there.
struct Meter : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, int64_t size, Total, Total, c10::Device) override {
    now += size;
    peak = std::max(peak, now);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t now = 0;
  int64_t peak = 0;
};

constexpr auto kind = c10::DebugInfoKind::PROFILER_STATE;
thread_local std::shared_ptr<Meter> meter;

napi_value startMeter(napi_env env, Environment&, const std::vector<napi_value>&) {
  if (meter) usage("expected one measurement at a time, got a second one inside it");
  meter = std::make_shared<Meter>();
  c10::ThreadLocalDebugInfo::_push(kind, meter);
  return undefined(env);
}

/// stopMeter() -> bytes at the highest point since startMeter, beyond those that were in use there
napi_value stopMeter(napi_env env, Environment&, const std::vector<napi_value>&) {
  if (!meter) usage("expected a measurement to have been started");
  c10::ThreadLocalDebugInfo::_pop(kind);
  const auto peak = static_cast<double>(meter->peak);
  meter.reset();
  return writeNumber(env, peak);
}

}  // namespace

const std::vector<Export> memoryExports{{"startMeter", 0, startMeter}, {"stopMeter", 0, stopMeter}};

}  // namespace s2ap
