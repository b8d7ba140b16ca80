// The addon knows tensors and nothing else: handles, values, one boxed entry point, autograd and a few switches.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <node_api.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace s2ap {

/// A failure on its way to JavaScript. `kind` picks the error class there, `where` is the operator or function.
struct Failure : std::runtime_error {
  enum class Kind { usage, useAfterFree, torch };
  Failure(Kind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  Kind kind;
};
[[noreturn]] void usage(const std::string& message);
/// A Node-API call that failed: an exception of JavaScript's own is left pending, anything else becomes a Failure.
void check(napi_env env, napi_status status);
struct PendingException {};

/// Tensors of one JavaScript environment, addressed by `generation * 2^24 + slot`; a freed or foreign handle never resolves.
class TensorTable {
 public:
  explicit TensorTable(uint32_t salt) : salt_(salt) {}
  double add(at::Tensor tensor);
  const at::Tensor& get(double handle) const;
  bool release(double handle);
  size_t live() const { return live_; }
  /// Bytes of the storages behind the live tensors, each counted once however many views it has.
  int64_t bytes() const;
  /// Bytes added and freed since the last call, for V8's accounting.
  int64_t takeByteDelta();

 private:
  struct Slot {
    at::Tensor tensor;
    uint32_t generation = 0;
    int64_t bytes = 0;
  };
  const Slot* find(double handle) const;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t live_ = 0;
  int64_t byteDelta_ = 0;
  uint32_t salt_;
};

enum class Kind { tensor, tensorList, optionalTensorList, integer, real, boolean, scalar, intList, realList, boolList, string, device, generator };

struct Parameter {
  std::string name;
  Kind kind;
  bool optional;
  int32_t fixedLength;  // of `int[2]`: a single number stands for all entries; 0 where the schema has none
  c10::optional<c10::IValue> defaultValue;
};

/// An operator resolved once: its handle and how each argument is read.
struct Plan {
  std::string name;
  c10::OperatorHandle op;
  std::vector<Parameter> parameters;
  bool returnsNothing;  // in place: JavaScript already holds the result
};

/// Memory that an ArrayBuffer shows until a tensor takes it over. The buffer's finaliser may run after the environment's end.
struct Loan {
  std::shared_ptr<std::unordered_map<const void*, Loan*>> all;
  c10::Storage storage;
};

struct Environment {
  explicit Environment(uint32_t salt) : tensors(salt) {}
  TensorTable tensors;
  std::shared_ptr<std::unordered_map<const void*, Loan*>> loans = std::make_shared<std::unordered_map<const void*, Loan*>>();  // by address
  std::deque<Plan> plans;  // a plan stays put while its call runs JavaScript (an accessor in an array) that resolves another
  napi_ref errorFactory = nullptr;
};
Environment& environmentOf(napi_env env);

using Function = napi_value (*)(napi_env, Environment&, const std::vector<napi_value>&);
struct Export {
  const char* name;
  size_t arity;
  Function function;
};

// value.cpp
c10::IValue readArgument(napi_env env, Environment& environment, const Parameter& parameter, napi_value value);
napi_value writeResult(napi_env env, Environment& environment, const c10::IValue& value);
double readNumber(napi_env env, napi_value value, const char* what);
int64_t readInteger(napi_env env, napi_value value, const char* what);
bool readBoolean(napi_env env, napi_value value, const char* what);
std::string readString(napi_env env, napi_value value, const char* what);
napi_value writeNumber(napi_env env, double value);
napi_value writeBoolean(napi_env env, bool value);
napi_value writeString(napi_env env, const std::string& value);
napi_value undefined(napi_env env);
bool isNullish(napi_env env, napi_value value);
at::Tensor readTensor(napi_env env, Environment& environment, napi_value value, const char* what);
std::vector<at::Tensor> readTensors(napi_env env, Environment& environment, napi_value value, const char* what);
napi_value writeTensor(napi_env env, Environment& environment, at::Tensor tensor);

// One list of exports a file.
extern const std::vector<Export> tensorExports, dispatchExports, autogradExports, engineExports, memoryExports;

/// What is set once a process, before libtorch does anything; engine.cpp.
void prepareProcess();

}  // namespace s2ap
