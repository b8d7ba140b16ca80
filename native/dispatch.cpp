// One entry point for every operator: resolve its schema once, then call it boxed.
#include "s2ap.h"

#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>

#include <sstream>

namespace s2ap {
namespace {

Kind listKind(const c10::TypePtr& element, const std::string& where) {
  switch (element->kind()) {
    case c10::TypeKind::TensorType: return Kind::tensorList;
    case c10::TypeKind::OptionalType: return Kind::optionalTensorList;
    case c10::TypeKind::IntType: case c10::TypeKind::SymIntType: return Kind::intList;
    case c10::TypeKind::FloatType: return Kind::realList;
    case c10::TypeKind::BoolType: return Kind::boolList;
    default: usage(where + ": a list of " + element->str() + " cannot be passed");
  }
}

Kind kindOf(const c10::TypePtr& type, const std::string& where) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::tensor;
    case c10::TypeKind::IntType: case c10::TypeKind::SymIntType: return Kind::integer;
    case c10::TypeKind::FloatType: return Kind::real;
    case c10::TypeKind::BoolType: return Kind::boolean;
    case c10::TypeKind::NumberType: return Kind::scalar;
    case c10::TypeKind::StringType: return Kind::string;
    case c10::TypeKind::DeviceObjType: return Kind::device;
    case c10::TypeKind::GeneratorType: return Kind::generator;
    case c10::TypeKind::ListType: return listKind(type->castRaw<c10::ListType>()->getElementType(), where);
    default: usage(where + ": an argument of type " + type->str() + " cannot be passed");
  }
}

Parameter parameterOf(const c10::Argument& argument, const std::string& where) {
  c10::TypePtr type = argument.type();
  bool optional = false;
  if (auto* wrapped = type->castRaw<c10::OptionalType>()) {
    optional = true;
    type = wrapped->getElementType();
  }
  return {argument.name(), kindOf(type, where), optional, argument.N().value_or(0), argument.default_value()};
}

c10::OperatorHandle find(const std::string& full) {
  const auto dot = full.find('.');
  const std::string name = full.substr(0, dot), overload = dot == std::string::npos ? "" : full.substr(dot + 1);
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!handle) usage("this libtorch has no operator '" + full + "'");
  return *handle;
}

/// resolve("aten::add.Tensor") -> plan number
napi_value resolve(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  const std::string name = readString(env, arguments[0], "name");
  auto handle = find(name);
  const auto& schema = handle.schema();
  Plan plan{name, handle, {}, false};
  for (const auto& argument : schema.arguments()) plan.parameters.push_back(parameterOf(argument, name));
  plan.returnsNothing = schema.returns().size() == 1 && schema.returns()[0].alias_info() && schema.returns()[0].alias_info()->isWrite();
  environment.plans.push_back(std::move(plan));
  return writeNumber(env, static_cast<double>(environment.plans.size() - 1));
}

/// schema("aten::add.Tensor") -> the schema's text, for the generator
napi_value schema(napi_env env, Environment&, const std::vector<napi_value>& arguments) {
  std::ostringstream text;
  text << find(readString(env, arguments[0], "name")).schema();
  return writeString(env, text.str());
}

/// call(plan, ...arguments)
napi_value call(napi_env env, Environment& environment, const std::vector<napi_value>& arguments) {
  const double id = readNumber(env, arguments[0], "plan");
  if (!(id >= 0 && id < environment.plans.size())) usage("unknown operator number");
  const auto& plan = environment.plans[static_cast<size_t>(id)];
  if (arguments.size() - 1 > plan.parameters.size())
    usage("expected at most " + std::to_string(plan.parameters.size()) + " arguments, got " + std::to_string(arguments.size() - 1));
  torch::jit::Stack stack;
  stack.reserve(plan.parameters.size());
  const napi_value missing = undefined(env);
  for (size_t i = 0; i < plan.parameters.size(); ++i)
    stack.push_back(readArgument(env, environment, plan.parameters[i], i + 1 < arguments.size() ? arguments[i + 1] : missing));
  plan.op.callBoxed(stack);
  if (plan.returnsNothing || stack.empty()) return undefined(env);
  if (stack.size() == 1) return writeResult(env, environment, stack[0]);
  napi_value array;
  check(env, napi_create_array_with_length(env, stack.size(), &array));
  for (size_t i = 0; i < stack.size(); ++i) check(env, napi_set_element(env, array, static_cast<uint32_t>(i), writeResult(env, environment, stack[i])));
  return array;
}

}  // namespace

const std::vector<Export> dispatchExports{{"resolve", 1, resolve}, {"schema", 1, schema}, {"call", 1, call}};

}  // namespace s2ap
