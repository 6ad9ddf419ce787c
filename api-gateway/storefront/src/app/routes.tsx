import { createBrowserRouter, type RouteObject } from 'react-router'
import { Layout } from './layout'
import { RouteError } from './errors'
import { SignedIn } from './signed-in'

/** Pages are loaded when they are visited first. */
const page = (load: () => Promise<{ default: React.ComponentType }>): Pick<RouteObject, 'lazy'> => ({
  lazy: async () => ({ Component: (await load()).default }),
})

export const router = createBrowserRouter([
  {
    path: '/',
    Component: Layout,
    HydrateFallback: () => null,
    ErrorBoundary: RouteError,
    children: [
      {
        ErrorBoundary: RouteError,
        children: [
          { index: true, ...page(() => import('../pages/home')) },
          { path: 'products', ...page(() => import('../pages/products')) },
          { path: 'products/:id', ...page(() => import('../pages/product')) },
          { path: 'cart', ...page(() => import('../pages/cart')) },
          { path: 'sign-in', ...page(() => import('../pages/sign-in')) },
          { path: 'sign-up', ...page(() => import('../pages/sign-up')) },
          { path: 'reset', ...page(() => import('../pages/reset')) },
          { path: 'verify', ...page(() => import('../pages/verify')) },
          {
            Component: SignedIn,
            children: [
              { path: 'checkout', ...page(() => import('../pages/checkout')) },
              { path: 'orders', ...page(() => import('../pages/orders')) },
              { path: 'orders/:id', ...page(() => import('../pages/order')) },
              { path: 'account', ...page(() => import('../pages/account')) },
              { path: 'account/addresses', ...page(() => import('../pages/addresses')) },
              {
                lazy: async () => ({ Component: (await import('./office')).Sell }),
                children: [
                  { path: 'sell', ...page(() => import('../pages/sell/products')) },
                  { path: 'sell/products/new', ...page(() => import('../pages/sell/new')) },
                  { path: 'sell/products/:id', ...page(() => import('../pages/sell/product')) },
                  { path: 'sell/orders', ...page(() => import('../pages/sell/orders')) },
                ],
              },
              {
                lazy: async () => ({ Component: (await import('./office')).Admin }),
                children: [
                  { path: 'admin', ...page(() => import('../pages/admin/users')) },
                  { path: 'admin/orders', ...page(() => import('../pages/admin/orders')) },
                  { path: 'admin/orders/:id', ...page(() => import('../pages/admin/order')) },
                  { path: 'admin/holds', ...page(() => import('../pages/admin/holds')) },
                  { path: 'admin/parked', ...page(() => import('../pages/admin/parked')) },
                  { path: 'admin/audit', ...page(() => import('../pages/admin/audit')) },
                  { path: 'admin/settings', ...page(() => import('../pages/admin/settings')) },
                ],
              },
            ],
          },
          { path: '*', ...page(() => import('../pages/not-found')) },
        ],
      },
    ],
  },
])
