import { useQueryClient } from '@tanstack/react-query'
import { api, body, type Address, type AddressRequest } from '../api/client'
import { addresses } from '../api/queries'
import { once } from './intent'

/** Changes of the shopper's addresses; each returns when the list shows it. */
export function useAddressBook() {
  const queries = useQueryClient()
  const refresh = () => queries.invalidateQueries({ queryKey: addresses.queryKey })
  return {
    add: async (address: AddressRequest): Promise<Address> => {
      const added = await once('address', address, (key) =>
        body(api.POST('/v1/addresses', { params: { header: { 'Idempotency-Key': key } }, body: address })), sessionStorage)
      await refresh()
      return added
    },
    replace: async (id: string, address: AddressRequest) => {
      await body(api.PUT('/v1/addresses/{id}', { params: { path: { id } }, body: address }))
      await refresh()
    },
    remove: async (id: string) => {
      await body(api.DELETE('/v1/addresses/{id}', { params: { path: { id } } }))
      await refresh()
    },
  }
}
