// Module entry: registers the exports of every file behind one guard that turns any C++ failure into a JavaScript error.
#include "s2ap.h"

#include <c10/util/Exception.h>

#include <atomic>

namespace s2ap {
namespace {

void throwJs(napi_env env, const char* where, Failure::Kind kind, const std::string& message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) return;
  auto& environment = environmentOf(env);
  napi_value factory = nullptr;
  if (environment.errorFactory) napi_get_reference_value(env, environment.errorFactory, &factory);
  if (!factory) {
    napi_throw_error(env, nullptr, (std::string(where) + ": " + message).c_str());
    return;
  }
  static const char* kinds[] = {"usage", "use-after-free", "torch"};
  napi_value arguments[] = {writeString(env, kinds[static_cast<int>(kind)]), writeString(env, where), writeString(env, message)};
  napi_value error = nullptr;
  if (napi_call_function(env, undefined(env), factory, 3, arguments, &error) == napi_ok) napi_throw(env, error);
}

/// The name to blame: operators are called through "call", whose first argument names the plan.
std::string blame(Environment& environment, const Export& entry, napi_env env, const std::vector<napi_value>& arguments) {
  if (std::string(entry.name) != "call" || arguments.empty()) return entry.name;
  double id = -1;
  napi_get_value_double(env, arguments[0], &id);
  return id >= 0 && id < environment.plans.size() ? environment.plans[static_cast<size_t>(id)].name : entry.name;
}

napi_value guarded(napi_env env, napi_callback_info info) {
  constexpr size_t most = 24;
  napi_value buffer[most];
  size_t count = most;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, buffer, nullptr, &data);
  const auto& entry = *static_cast<const Export*>(data);
  auto& environment = environmentOf(env);
  const std::vector<napi_value> arguments(buffer, buffer + std::min(count, most));
  try {
    if (arguments.size() < entry.arity) usage("expected " + std::to_string(entry.arity) + " arguments, got " + std::to_string(arguments.size()));
    napi_value result = entry.function(env, environment, arguments);
    if (int64_t delta = environment.tensors.takeByteDelta()) {
      int64_t total = 0;
      napi_adjust_external_memory(env, delta, &total);
    }
    return result;
  } catch (const PendingException&) {
  } catch (const Failure& failure) {
    throwJs(env, blame(environment, entry, env, arguments).c_str(), failure.kind, failure.what());
  } catch (const c10::Error& error) {
    throwJs(env, blame(environment, entry, env, arguments).c_str(), Failure::Kind::torch, error.what_without_backtrace());
  } catch (const std::exception& error) {
    throwJs(env, blame(environment, entry, env, arguments).c_str(), Failure::Kind::torch, error.what());
  } catch (...) {
    throwJs(env, entry.name, Failure::Kind::torch, "an unknown C++ exception");
  }
  return nullptr;
}

napi_value setErrorFactory(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  napi_valuetype type;
  check(env, napi_typeof(env, arguments[0], &type));
  if (type != napi_function) usage("expected a function");
  if (environment.errorFactory) napi_delete_reference(env, environment.errorFactory);
  check(env, napi_create_reference(env, arguments[0], 1, &environment.errorFactory));
  return undefined(env);
}
const std::vector<Export> addonExports{{"setErrorFactory", 1, setErrorFactory}};

}  // namespace

void usage(const std::string& message) { throw Failure(Failure::Kind::usage, message); }

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw PendingException{};
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  usage(info && info->error_message ? info->error_message : "a Node-API call failed");
}

Environment& environmentOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

}  // namespace s2ap

NAPI_MODULE_INIT() {
  using namespace s2ap;
  static std::atomic<uint32_t> environments{0};
  prepareProcess();
  auto* environment = new Environment(++environments);
  napi_set_instance_data(env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); }, nullptr);
  for (const auto* list : {&addonExports, &tensorExports, &dispatchExports, &autogradExports, &engineExports, &memoryExports}) {
    for (const auto& entry : *list) {
      napi_value function = nullptr;
      if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, guarded, const_cast<Export*>(&entry), &function) != napi_ok ||
          napi_set_named_property(env, exports, entry.name, function) != napi_ok) {
        napi_throw_error(env, nullptr, "s2ap: the native addon could not register its functions");
        return nullptr;
      }
    }
  }
  return exports;
}
