// JavaScript values <-> libtorch IValues.
#include "s2ap.h"

#include <cmath>

namespace s2ap {
namespace {

napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  return type;
}

std::string describe(napi_env env, napi_value value) {
  static const char* names[] = {"undefined", "null", "a boolean", "a number", "a string", "a symbol", "an object", "a function", "an external", "a bigint"};
  bool array = false;
  napi_is_array(env, value, &array);
  if (array) return "an array";
  const int type = typeOf(env, value);
  return type >= 0 && type < 10 ? names[type] : "something else";
}

[[noreturn]] void wrong(napi_env env, const char* what, const char* wanted, napi_value value) {
  usage(std::string("expected ") + what + " to be " + wanted + ", got " + describe(env, value));
}

template <class Read>
auto readList(napi_env env, napi_value value, const char* what, Read read) {
  std::vector<decltype(read(value))> result;
  bool array = false;
  check(env, napi_is_array(env, value, &array));
  if (!array) wrong(env, what, "an array", value);
  uint32_t length = 0;
  check(env, napi_get_array_length(env, value, &length));
  result.reserve(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element;
    check(env, napi_get_element(env, value, i, &element));
    result.push_back(read(element));
  }
  return result;
}

/// A number that is integral becomes an integer scalar; `{ float: x }` marks a floating one.
at::Scalar readScalar(napi_env env, napi_value value, const char* what) {
  switch (typeOf(env, value)) {
    case napi_boolean: return at::Scalar(readBoolean(env, value, what));
    case napi_number: {
      const double number = readNumber(env, value, what);
      const bool integral = number == std::floor(number) && std::abs(number) <= 9007199254740991.0 && !(number == 0 && std::signbit(number));
      return integral ? at::Scalar(static_cast<int64_t>(number)) : at::Scalar(number);
    }
    case napi_object: {
      napi_value inner;
      check(env, napi_get_named_property(env, value, "float", &inner));
      return at::Scalar(readNumber(env, inner, what));
    }
    default: wrong(env, what, "a number, a boolean or { float: number }", value);
  }
}

c10::IValue readIntList(napi_env env, const Parameter& parameter, napi_value value) {
  const char* what = parameter.name.c_str();
  if (parameter.fixedLength > 0 && typeOf(env, value) == napi_number)
    return std::vector<int64_t>(parameter.fixedLength, readInteger(env, value, what));
  return readList(env, value, what, [&](napi_value element) { return readInteger(env, element, what); });
}

c10::IValue readOptionalTensors(napi_env env, Environment& environment, const char* what, napi_value value) {
  c10::List<c10::optional<at::Tensor>> list;
  for (auto& entry : readList(env, value, what, [&](napi_value element) {
         return isNullish(env, element) ? c10::optional<at::Tensor>() : c10::optional<at::Tensor>(readTensor(env, environment, element, what));
       }))
    list.push_back(entry);
  return list;
}

}  // namespace

bool isNullish(napi_env env, napi_value value) {
  const auto type = typeOf(env, value);
  return type == napi_undefined || type == napi_null;
}

double readNumber(napi_env env, napi_value value, const char* what) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) wrong(env, what, "a number", value);
  return number;
}

int64_t readInteger(napi_env env, napi_value value, const char* what) {
  const double number = readNumber(env, value, what);
  if (number != std::floor(number) || std::abs(number) > 9007199254740991.0) usage(std::string("expected ") + what + " to be an integer, got " + std::to_string(number));
  return static_cast<int64_t>(number);
}

bool readBoolean(napi_env env, napi_value value, const char* what) {
  bool result;
  if (napi_get_value_bool(env, value, &result) != napi_ok) wrong(env, what, "a boolean", value);
  return result;
}

std::string readString(napi_env env, napi_value value, const char* what) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) wrong(env, what, "a string", value);
  std::string text(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  return text;
}

napi_value writeNumber(napi_env env, double value) {
  napi_value result;
  check(env, napi_create_double(env, value, &result));
  return result;
}

napi_value writeBoolean(napi_env env, bool value) {
  napi_value result;
  check(env, napi_get_boolean(env, value, &result));
  return result;
}

napi_value writeString(napi_env env, const std::string& value) {
  napi_value result;
  check(env, napi_create_string_utf8(env, value.data(), value.size(), &result));
  return result;
}

napi_value undefined(napi_env env) {
  napi_value result;
  napi_get_undefined(env, &result);
  return result;
}

at::Tensor readTensor(napi_env env, Environment& environment, napi_value value, const char* what) {
  double handle;
  if (napi_get_value_double(env, value, &handle) != napi_ok) wrong(env, what, "a tensor", value);
  return environment.tensors.get(handle);
}

std::vector<at::Tensor> readTensors(napi_env env, Environment& environment, napi_value value, const char* what) {
  return readList(env, value, what, [&](napi_value element) { return readTensor(env, environment, element, what); });
}

napi_value writeTensor(napi_env env, Environment& environment, at::Tensor tensor) {
  return tensor.defined() ? writeNumber(env, environment.tensors.add(std::move(tensor))) : undefined(env);
}

c10::IValue readArgument(napi_env env, Environment& environment, const Parameter& parameter, napi_value value) {
  const char* what = parameter.name.c_str();
  if (isNullish(env, value)) {
    if (parameter.defaultValue) return *parameter.defaultValue;
    if (parameter.optional) return c10::IValue();
    usage(std::string("expected argument '") + what + "', got " + describe(env, value));
  }
  switch (parameter.kind) {
    case Kind::tensor: return readTensor(env, environment, value, what);
    case Kind::tensorList: return readTensors(env, environment, value, what);
    case Kind::optionalTensorList: return readOptionalTensors(env, environment, what, value);
    case Kind::integer: return readInteger(env, value, what);
    case Kind::real: return readNumber(env, value, what);
    case Kind::boolean: return readBoolean(env, value, what);
    case Kind::scalar: return readScalar(env, value, what);
    case Kind::intList: return readIntList(env, parameter, value);
    case Kind::realList: return readList(env, value, what, [&](napi_value element) { return readNumber(env, element, what); });
    case Kind::boolList: {
      c10::List<bool> list;
      for (bool entry : readList(env, value, what, [&](napi_value element) { return readBoolean(env, element, what); })) list.push_back(entry);
      return list;
    }
    case Kind::string: return readString(env, value, what);
    case Kind::device: return c10::Device(readString(env, value, what));
    case Kind::generator: usage("generators are not passed: set the seed of the default one");
  }
  usage("internal: unknown argument kind");
}

napi_value writeResult(napi_env env, Environment& environment, const c10::IValue& value) {
  if (value.isTensor()) return writeTensor(env, environment, value.toTensor());
  if (value.isInt()) return writeNumber(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return writeNumber(env, value.toDouble());
  if (value.isBool()) return writeBoolean(env, value.toBool());
  if (value.isNone()) return undefined(env);
  if (value.isList()) {
    const auto list = value.toListRef();
    napi_value array;
    check(env, napi_create_array_with_length(env, list.size(), &array));
    for (size_t i = 0; i < list.size(); ++i) check(env, napi_set_element(env, array, static_cast<uint32_t>(i), writeResult(env, environment, list[i])));
    return array;
  }
  usage("internal: a result of type " + value.tagKind() + " has no JavaScript form");
}

}  // namespace s2ap
