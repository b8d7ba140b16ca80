// Gradients with respect to chosen inputs, and the switches that belong to a thread.
#include <torch/csrc/autograd/autograd.h>

#include "s2ap.h"

#include <ATen/core/grad_mode.h>

namespace s2ap {
namespace {

/// grad(outputs, inputs, gradOutputs | undefined, retainGraph, createGraph, allowUnused)
napi_value grad(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  const auto outputs = readTensors(env, environment, arguments[0], "outputs");
  const auto inputs = readTensors(env, environment, arguments[1], "inputs");
  std::vector<at::Tensor> gradOutputs;
  if (!isNullish(env, arguments[2])) gradOutputs = readTensors(env, environment, arguments[2], "gradOutputs");
  const auto results = torch::autograd::grad(outputs, inputs, gradOutputs, readBoolean(env, arguments[3], "retainGraph"),
                                             readBoolean(env, arguments[4], "createGraph"), readBoolean(env, arguments[5], "allowUnused"));
  napi_value array;
  check(env, napi_create_array_with_length(env, results.size(), &array));
  for (size_t i = 0; i < results.size(); ++i) check(env, napi_set_element(env, array, static_cast<uint32_t>(i), writeTensor(env, environment, results[i])));
  return array;
}

napi_value requiresGrad(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  return writeBoolean(env, readTensor(env, environment, arguments[0], "tensor").requires_grad());
}

napi_value setRequiresGrad(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  readTensor(env, environment, arguments[0], "tensor").set_requires_grad(readBoolean(env, arguments[1], "requiresGrad"));
  return undefined(env);
}

/// setGradMode(enabled) -> what it was
napi_value setGradMode(napi_env env, Environment&, const std::vector<napi_value>& arguments) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(readBoolean(env, arguments[0], "enabled"));
  return writeBoolean(env, before);
}

}  // namespace

const std::vector<Export> autogradExports{
    {"grad", 6, grad}, {"requiresGrad", 1, requiresGrad}, {"setRequiresGrad", 2, setRequiresGrad}, {"setGradMode", 1, setGradMode}};

}  // namespace s2ap
