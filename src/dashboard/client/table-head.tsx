/** The name of a column of numbers. */
export const num = (name: string) => ({ num: name });

/** A table's head. */
export function TableHead({ columns }: { readonly columns: readonly (string | ReturnType<typeof num>)[] }) {
  return (
    <thead>
      <tr>
        {columns.map((column, at) => {
          const name = typeof column === "string" ? column : column.num;
          return (
            <th key={at} scope="col" class={typeof column === "string" ? undefined : "num"}>
              {name}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}
